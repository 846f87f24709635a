"""What commands say to a person at a terminal, and to a program that asked for JSON."""

from __future__ import annotations

import sys
from typing import Final, TextIO

import msgspec

from firmware_sim.layouts import EventsReport, ImportReport

SKIPPED_SHOWN: Final = 10
"""More than these are counted only; ``--json`` has them all."""


class Progress:
    """A line that counts, on a terminal; nothing where nobody watches."""

    def __init__(self, what: str, out: TextIO | None = None) -> None:
        self._what = what
        self._out = out or sys.stderr
        self._shown = False

    def show(self, done: int, total: int) -> None:
        """So much of it is done."""
        if self._out.isatty():
            self._out.write(f"\r{self._what}: {done} of {total}")
            self._out.flush()
            self._shown = True

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            self._out.write("\n")
            self._shown = False


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
