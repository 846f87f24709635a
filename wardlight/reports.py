"""What commands say to a person at a terminal, and to a program that asked for JSON."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

from contract.clock import Clock, SystemClock
from contract.units import NS_PER_S, US_PER_S
from firmware_sim.layouts import EventsReport, ImportReport
from ingest import Replayed, StoredLetter

SKIPPED_SHOWN: Final = 10
"""More than these are counted only; ``--json`` has them all."""


LONG_S: Final = 60
"""Who waits for less does not ask how long."""


class Progress:
    """A line that counts, on a terminal; nothing where nobody watches."""

    def __init__(self, what: str, out: TextIO | None = None, clock: Clock | None = None) -> None:
        self._what = what
        self._out = out or sys.stderr
        self._clock = clock or SystemClock()
        self._began: tuple[int, int] | None = None
        """Moment and count of the first word."""
        self._shown = 0
        """Width of the line."""

    def show(self, done: int, total: int) -> None:
        """So much of it is done."""
        if self._out.isatty():
            line = f"{self._what}: {done} of {total}{self._left(done, total)}"
            self._out.write(f"\r{line:{self._shown}}")
            self._out.flush()
            self._shown = len(line)

    def _left(self, done: int, total: int) -> str:
        """How long the rest will take at the pace so far."""
        now_ns = self._clock.monotonic_ns()
        began_ns, first = self._began = self._began or (now_ns, done)
        if done <= first:
            return ""
        left_s = (now_ns - began_ns) / NS_PER_S * (total - done) / (done - first)
        return f", about {left_s / 60:.0f} min left" if left_s >= LONG_S else ""

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            self._out.write("\n")
            self._shown = 0


class Stages:
    """The same for work that has several parts, each a line of its own."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._what = ""
        self._progress: Progress | None = None

    def show(self, what: str, done: int, total: int) -> None:
        """So much of this part is done."""
        if what != self._what or self._progress is None:
            self.end()
            self._what, self._progress = what, Progress(what, self._out)
        self._progress.show(done, total)

    def end(self) -> None:
        """Leave the line."""
        if self._progress is not None:
            self._progress.end()
            self._progress = None


def events_report(report: EventsReport, *, as_json: bool) -> str:
    """What an import of events wrote, and what it left out and why."""
    if as_json:
        return msgspec.json.encode(report).decode()
    said = ", ".join(f"{count} {message}" for message, count in report.by_message.items())
    lines = [f"{report.title}: {report.events} events in {report.days:.1f} days ({said})."]
    lines += [f"  unreadable: {each}" for each in report.unreadable[:SKIPPED_SHOWN]]
    more = len(report.unreadable) - SKIPPED_SHOWN
    lines += [f"  ... and {more} more; --json lists them"] if more > 0 else []
    lines.append(f"Written to {report.out}." if report.out else "Nothing was written.")
    return "\n".join(lines)


def import_report(report: ImportReport, *, as_json: bool) -> str:
    """What an import wrote, and what it left out and why."""
    if as_json:
        return msgspec.json.encode(report).decode()
    lines = [
        f"{report.title}: {report.trials} trials of {report.people} people, {report.falls} falls, "
        f"{report.hours:.1f} hours, from {report.files} files."
    ]
    lines += [f"  note: {phrase} ({count})" for phrase, count in report.notes.items()]
    lines += [
        f"  {skipped.kind}: {skipped.source}: {skipped.reason}"
        for skipped in report.skipped[:SKIPPED_SHOWN]
    ]
    more = len(report.skipped) - SKIPPED_SHOWN
    lines += [f"  ... and {more} more; --json lists them"] if more > 0 else []
    lines.append(f"Written to {report.out}." if report.out else "Nothing was written.")
    return "\n".join(lines)


def dead_letter(letter: StoredLetter, *, as_json: bool) -> str:
    """A message that was refused, and why."""
    if as_json:
        told = letter._asdict() | {"payload": letter.payload.decode("utf-8", "replace")}
        return msgspec.json.encode(told).decode()
    moment = datetime.fromtimestamp(letter.last_at_us / US_PER_S, UTC).isoformat(sep=" ")[:19]
    times = f", {letter.times} times" if letter.times > 1 else ""
    return f"{moment} UTC  {letter.topic}: {letter.reason} ({len(letter.payload)} bytes{times})"


def replayed_report(replayed: Replayed, *, is_trial: bool, as_json: bool) -> str:
    """What became of the dead letters."""
    if as_json:
        return msgspec.json.encode(replayed).decode()
    could = "could be stored now" if is_trial else "stored"
    lines = [
        f"{replayed.tried} dead letters tried: {replayed.stored} {could}, "
        f"{replayed.repeated} were stored before."
    ]
    lines += [f"  still refused: {reason} ({n})" for reason, n in replayed.refused.items()]
    if replayed.truncated:
        lines.append(f"  {replayed.truncated} were not kept whole and cannot be tried.")
    return "\n".join(lines)
