"""Writes down a labelled walk while it is walked: what `read_sequence` reads afterwards.

Once a second a row is written of what the home's receivers heard of the one wearable that walks,
and of nobody else; the rooms are written at each tap. A walk that was interrupted (a phone that
slept, a process that was killed) goes on where it stopped.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from contract.clock import Clock
from contract.devices import Quantity
from contract.messages import Presence
from contract.units import NS_PER_MS, NS_PER_S
from evaluation.rooms.reading import (
    LABELS_WRITTEN,
    MOVEMENT,
    SECONDS_FILE,
    SENSOR_FILE,
    Interval,
    SequenceError,
    intervals,
    number_columns,
)

BEHIND_S: Final = 2
"""What a gateway tells is of the second before, and comes up to a second after that."""

ENOUGH_S: Final = 30
"""Half a minute in a room and a turn on the spot: her body shadows each receiver once."""

ALIVE_S: Final = 5
"""A gateway that has not spoken for so long is silent (`edge.lead.LIVE_NS`)."""

SAME_S: Final = 3.0
"""Two gateways that tell one change of a sensor heard it at most so far apart."""


class Heard(NamedTuple):
    """What one receiver hears of the wearable now."""

    receiver: str
    rssi_dbm: float | None
    """None: nothing, though it works."""


class WalkState(NamedTuple):
    """How a walk stands."""

    zone: str | None
    """Where the walker says that she is; None between rooms, or before the first."""
    seconds: Mapping[str, float]
    """By zone, in the order of the plan: how long she was there and heard."""
    heard: tuple[Heard, ...]
    silent: tuple[str, ...]
    """Gateways that were heard once, or are expected, and are not now."""
    taps: int


class WalkRecorder:
    """One walk in one folder.

    Parameters
    ----------
    folder
        Made if it is not there; a walk of the same home in it goes on.
    device
        The wearable that walks.
    zones
        Of the plan.
    gateways, receivers
        Names of all gateways, and of the proxies that hear for them.

    Raises
    ------
    SequenceError
        If the folder cannot be written, or holds a walk with other receivers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str,
        zones: Sequence[str],
        gateways: Sequence[str],
        receivers: Sequence[str],
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._device = device
        self._zones = tuple(zones)
        self._gateways = tuple(gateways)
        self._columns = (*gateways, *(each for each in receivers if each not in gateways))
        self._clock = clock
        self._labels: list[Interval] = []
        self._open: tuple[float, str] | None = None
        self._heard: dict[str, float] = {}
        self._latest: dict[str, float] = {}
        """Of the second that was written last."""
        self._movement: float | None = None
        self._spoke_ns: dict[str, int] = {}
        self._numbers: dict[str, tuple[str, int]] = {}
        self._fired: dict[tuple[str, str, float], float] = {}
        self._seconds: dict[str, float] = dict.fromkeys(zones, 0.0)
        before = self._begin()
        self._start_ns = clock.monotonic_ns() - before * NS_PER_S
        self._written_s = before - 1

    # -- what happens ----------------------------------------------------------------------------

    def hear(self, presence: Presence) -> None:
        """A gateway has told what it hears; of everybody else nothing is kept."""
        self._spoke_ns[presence.gateway] = self._clock.monotonic_ns()
        for receiver, devices in presence.strengths.items():
            rssi_dbm = devices.get(self._device)
            name = receiver or presence.gateway
            if rssi_dbm is not None and math.isfinite(rssi_dbm) and name in self._columns:
                self._heard[name] = rssi_dbm
        movement = presence.movement_g.get(self._device)
        if movement is not None and math.isfinite(movement):
            self._movement = movement
        self._note_changes(presence)

    def now_in(self, zone: str | None) -> None:
        """The walker is in `zone` from now on; None: between rooms.

        Raises
        ------
        ValueError
            If the plan has no such zone.
        """
        if zone is not None and zone not in self._zones:
            raise ValueError(f"the plan has no zone {zone!r}")
        now_s = self._now_s()
        self._close(now_s)
        self._open = None if zone is None else (now_s, zone)
        self._write_labels()

    def undo(self) -> None:
        """The last tap was a mistake: what was said since it holds for nothing."""
        if self._open is not None:
            _, zone = self._open
            self._open = None
            # What was counted for it was counted wrongly, too.
            self._recount(zone)
        elif self._labels:
            taken = self._labels.pop()
            self._recount(taken.name)
        self._write_labels()

    def tick(self) -> None:
        """A second is over: write it down. To be called once a second."""
        second = int(self._now_s()) - BEHIND_S
        if second <= self._written_s:
            return
        self._written_s = second
        row = [str(second), "" if self._movement is None else f"{self._movement:.4f}"]
        row += [f"{self._heard[name]:.1f}" if name in self._heard else "" for name in self._columns]
        with self._append(SECONDS_FILE) as lines:
            csv.writer(lines).writerow(row)
        zone = self._zone_at(second)
        if zone is not None and self._heard:
            self._seconds[zone] += 1.0
        self._latest, self._heard, self._movement = self._heard, {}, None
        self._write_labels()

    def state(self) -> WalkState:
        """How it stands now."""
        now_ns = self._clock.monotonic_ns()
        silent = tuple(
            name
            for name in self._gateways
            if now_ns - self._spoke_ns.get(name, self._start_ns) > ALIVE_S * NS_PER_S
        )
        return WalkState(
            zone=None if self._open is None else self._open[1],
            seconds=dict(self._seconds),
            heard=tuple(Heard(name, self._latest.get(name)) for name in self._columns),
            silent=silent,
            taps=len(self._labels) + (self._open is not None),
        )

    def finish(self) -> None:
        """The walk is over."""
        self.now_in(None)

    # -- what is written -------------------------------------------------------------------------

    def _begin(self) -> int:
        """Make the files, or read what a walk before this has left; its length in seconds."""
        header = ["t", MOVEMENT, *self._columns]
        file = self._folder / SECONDS_FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for appended in (file, self._folder / SENSOR_FILE):
                _drop_torn_row(appended)
            if not file.exists():
                with file.open("w", encoding="utf-8", newline="") as lines:
                    csv.writer(lines).writerow(header)
                return 0
            columns = number_columns(file)
        except OSError as error:
            raise SequenceError(f"{self._folder} cannot be written to: {error.strerror}") from error
        if list(columns) != header:
            raise SequenceError(
                f"{file} holds a walk that was heard by {', '.join(list(columns)[2:])}; this home "
                f"has {', '.join(self._columns)}: name another folder"
            )
        if (self._folder / LABELS_WRITTEN).exists():
            self._labels = [
                each
                for each in intervals(self._folder / LABELS_WRITTEN)
                if each.name in self._zones
            ]
        heard = {
            int(second): any(math.isfinite(columns[name][row]) for name in self._columns)
            for row, second in enumerate(columns["t"])
        }
        for each in self._labels:
            inside = range(math.ceil(each.start_s), math.floor(each.end_s))
            self._seconds[each.name] += sum(heard.get(second, False) for second in inside)
        latest = max((*heard, *(math.ceil(each.end_s) for each in self._labels)), default=0)
        return latest + 1 + BEHIND_S

    def _append(self, name: str) -> TextIO:
        return (self._folder / name).open("a", encoding="utf-8", newline="")

    def _write_labels(self) -> None:
        """All of them, whole or not at all: the open one as far as it goes."""
        labels = list(self._labels)
        if self._open is not None:
            labels.append(Interval(self._open[0], self._now_s(), self._open[1]))
        beside = self._folder / f"{LABELS_WRITTEN}.new"
        with beside.open("w", encoding="utf-8", newline="") as lines:
            rows = csv.writer(lines)
            rows.writerow(("start", "end", "name", "index"))
            for each in labels:
                place = self._zones.index(each.name)
                rows.writerow((f"{each.start_s:.2f}", f"{each.end_s:.2f}", each.name, place))
        beside.replace(self._folder / LABELS_WRITTEN)

    def _note_changes(self, presence: Presence) -> None:
        """Seconds in which a sensor saw that somebody was there, each once."""
        session, latest = self._numbers.get(presence.gateway, ("", 0))
        latest = latest if session == presence.session else 0
        now_s = self._now_s()
        for change in sorted(presence.changes, key=lambda each: each.number):
            if change.number <= latest:
                continue
            latest = change.number
            if change.quantity == Quantity.MOTION and not change.value > 0:
                continue
            at_s = now_s - max(change.age_ms, 0) * NS_PER_MS / NS_PER_S
            word = (change.device, change.quantity, change.value)
            if at_s < 0 or abs(at_s - self._fired.get(word, -math.inf)) < SAME_S:
                continue
            self._fired[word] = at_s
            file = self._folder / SENSOR_FILE
            is_new = not file.exists()
            with self._append(SENSOR_FILE) as lines:
                rows = csv.writer(lines)
                if is_new:
                    rows.writerow(("start", "end", "name", "index"))
                rows.writerow((f"{int(at_s)}", f"{int(at_s) + 1}", change.device, 0))
        self._numbers[presence.gateway] = presence.session, latest

    def _close(self, now_s: float) -> None:
        if self._open is not None and now_s > self._open[0]:
            self._labels.append(Interval(self._open[0], now_s, self._open[1]))
        self._open = None

    def _zone_at(self, second: int) -> str | None:
        """Where the walker said that she was for all of a second."""
        if self._open is not None and second >= self._open[0]:
            return self._open[1]
        for each in reversed(self._labels):
            if each.start_s <= second and second + 1 <= each.end_s:
                return each.name
        return None

    def _recount(self, zone: str) -> None:
        """Seconds of a zone of which a label was taken back."""
        kept = sum(
            math.floor(each.end_s) - math.ceil(each.start_s)
            for each in self._labels
            if each.name == zone
        )
        self._seconds[zone] = min(self._seconds[zone], float(kept))

    def _now_s(self) -> float:
        return (self._clock.monotonic_ns() - self._start_ns) / NS_PER_S


def _drop_torn_row(file: Path) -> None:
    """A machine that lost its power may have written half of the last row."""
    if not file.exists():
        return
    written = file.read_bytes()
    whole = written.rfind(b"\n") + 1
    if whole == 0:
        file.unlink()
    elif whole < len(written):
        os.truncate(file, whole)
