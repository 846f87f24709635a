"""Import of motion: a folder as its authors publish it becomes one parquet file of ours."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import structlog

from firmware_sim.layouts.detection import find_layout
from firmware_sim.layouts.protocol import (
    Layout,
    LayoutError,
    Listing,
    OpenSet,
    RecordedTrial,
    Unreadable,
    UnreadableFileError,
)
from firmware_sim.layouts.table import TrialWriter

log = structlog.get_logger(__name__)

FORMAT: Final = "wardlight-trials-1"
"""Of the parquet layout; grows when a column changes its meaning."""

SECONDS_PER_HOUR: Final = 3_600

Progress = Callable[[int, int], None]
"""Called with files done and files in all: first with 0, then after each file."""


class SkipKind(StrEnum):
    """Why something was left out."""

    UNREADABLE = "unreadable"
    """It is damaged, or not what its name promises: the import is not complete."""
    REPEAT = "repeat"
    """Its samples, or its trial's name, were already imported: nothing is lost."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was left out."""

    source: str
    """Path below the folder that was asked for."""
    kind: SkipKind
    reason: str


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did; encodes to JSON as it is."""

    layout: str
    title: str
    """The set, as its authors call it."""
    reader_version: int
    out: str | None
    """The file; None if nothing could be read, and nothing was written."""
    files: int
    """Files that belong to the layout and were asked for."""
    trials: int
    people: int
    falls: int
    hours: float
    """Motion written, in hours."""
    by_placement: dict[str, int]
    """Trials written."""
    skipped: list[Skipped]
    """All of it, in the order of reading."""
    notes: dict[str, int]
    """What an analyst should know, with the number of trials (or of the set: 1) it holds for."""

    @property
    def unreadable(self) -> int:
        """Things left out because they are damaged."""
        return sum(1 for skip in self.skipped if skip.kind is SkipKind.UNREADABLE)

    @property
    def repeats(self) -> int:
        """Things left out because they were there already."""
        return len(self.skipped) - self.unreadable

    @property
    def exit_status(self) -> int:
        """For a shell: 0 all was read, 1 something was unreadable, 2 nothing was written."""
        if self.out is None:
            return 2
        return 1 if self.unreadable else 0


class _Tally:
    """Counts while trials go by."""

    def __init__(self) -> None:
        self.trials = self.falls = 0
        self.seconds = 0.0
        self.people: set[str] = set()
        self.by_placement: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.skipped: list[Skipped] = []

    def add(self, trial: RecordedTrial) -> None:
        self.trials += 1
        self.falls += trial.is_fall
        self.seconds += trial.duration_s
        self.people.add(trial.subject)
        self.by_placement[trial.placement] += 1
        self.notes.update(trial.notes)

    def skip(self, source: str, kind: SkipKind, reason: str) -> None:
        self.skipped.append(Skipped(source=source, kind=kind, reason=reason))


class _Repeats:
    """Finds trials whose samples, or whose name, came before.

    Some SmartFallMM subjects' files repeat another's: left in, one person would stand on both
    sides of a split by person. Samples are compared, not files: time stamps and line ends may
    differ.
    """

    def __init__(self) -> None:
        self._by_content: dict[bytes, str] = {}
        self._by_trial: dict[str, str] = {}

    def reason(self, trial: RecordedTrial) -> str | None:
        """Why this trial is a repeat; None if it is new, and from now on known."""
        content = hashlib.blake2b(trial.samples_g.tobytes(), digest_size=16).digest()
        if content in self._by_content:
            return f"holds the samples of {self._by_content[content]}"
        if trial.trial in self._by_trial:
            return f"trial {trial.trial} was already read from {self._by_trial[trial.trial]}"
        self._by_content[content] = self._by_trial[trial.trial] = trial.source
        return None


def read_set(
    opened: OpenSet, listing: Listing, progress: Progress | None = None
) -> Iterator[RecordedTrial | Unreadable]:
    """Read a set file by file; one that cannot be read is named, and the others go on."""
    yield from listing.problems
    yield from opened.problems
    total = len(opened.files)
    if progress:
        progress(0, total)
    for done, path in enumerate(opened.files, start=1):
        try:
            yield from opened.read(path)
        except UnreadableFileError as error:
            yield Unreadable(listing.name(path), str(error))
        except OSError as error:
            yield Unreadable(listing.name(path), error.strerror or str(error))
        if progress:
            progress(done, total)


def trials(
    folder: Path, *, layout: str | None = None, placement: str | None = None
) -> Iterator[RecordedTrial | Unreadable]:
    """The trials of a published folder, one at a time, repeats included.

    Raises
    ------
    LayoutError
        As `import_motion`.
    """
    listing = Listing.of(folder)
    return read_set(_open(find_layout(listing, layout), listing, placement), listing)


def import_motion(
    folder: Path,
    out: Path,
    *,
    layout: str | None = None,
    placement: str | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read a folder as its authors publish it, and write the parquet layout of ours.

    Memory does not grow with the set. The file appears whole or not at all; an older file of
    that name is replaced at the end, and only if at least one trial was read.

    Parameters
    ----------
    folder
        Where the user unpacked the set: its root, a folder within, or one around it.
    out
        The parquet file to write.
    layout
        A name of `LAYOUTS`; found by looking if None.
    placement
        Take only this place on the body, such as ``wrist`` (or a device of SmartFallMM).
    progress
        Called with files done and files in all.

    Raises
    ------
    UnknownLayoutError
        If no layout, or more than one, is recognised; lists what was looked for.
    RefusedLayoutError
        If reading it would mislead; gives the reason.
    LayoutError
        If the folder is missing, or the placement is not one of this layout.
    OSError
        If the file cannot be written.
    """
    listing = Listing.of(folder)
    reader = find_layout(listing, layout)
    opened = _open(reader, listing, placement)
    if out.is_dir():
        raise LayoutError(f"{out} is a folder; name the parquet file to write")
    tally = _Tally()
    tally.notes.update(opened.notes)
    repeats = _Repeats()
    with ExitStack() as stack:
        writer: TrialWriter | None = None
        for found in read_set(opened, listing, progress):
            if isinstance(found, Unreadable):
                tally.skip(found.source, SkipKind.UNREADABLE, found.reason)
            elif (reason := repeats.reason(found)) is not None:
                tally.skip(found.source, SkipKind.REPEAT, reason)
            else:
                writer = writer or stack.enter_context(TrialWriter(out, _metadata(reader)))
                writer.write(found)
                tally.add(found)
        if writer:
            writer.commit()
    report = _report(reader, opened, tally, out if writer else None)
    log.info(
        "recordings_imported",
        layout=report.layout,
        trials=report.trials,
        unreadable=report.unreadable,
        repeats=report.repeats,
    )
    return report


def _open(reader: Layout, listing: Listing, placement: str | None) -> OpenSet:
    if placement is not None and placement not in reader.placements:
        raise LayoutError(
            f"{reader.title} has no placement {placement!r}, only {', '.join(reader.placements)}"
        )
    return reader.open(listing, placement)


def _metadata(reader: Layout) -> Mapping[str, str]:
    return {
        "wardlight.format": FORMAT,
        "wardlight.layout": reader.name,
        "wardlight.title": reader.title,
        "wardlight.reader_version": str(reader.version),
        "wardlight.unit": "g",
        "wardlight.rate": "as recorded",
    }


def _report(reader: Layout, opened: OpenSet, tally: _Tally, out: Path | None) -> ImportReport:
    return ImportReport(
        layout=reader.name,
        title=reader.title,
        reader_version=reader.version,
        out=str(out) if out else None,
        files=len(opened.files),
        trials=tally.trials,
        people=len(tally.people),
        falls=tally.falls,
        hours=tally.seconds / SECONDS_PER_HOUR,
        by_placement=dict(sorted(tally.by_placement.items())),
        skipped=tally.skipped,
        notes=dict(sorted(tally.notes.items())),
    )
