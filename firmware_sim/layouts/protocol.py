"""What a reader of a published layout takes and gives, and how it says no.

A *layout* is the way authors publish a set: which folders, which file names, which columns.
A reader sees a `Listing` of the user's folder, says what it recognises (`Evidence`), and opens
the set (`OpenSet`): the files to read, in a fixed order, and a function that reads one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

MAX_FILES: Final = 300_000
"""Files under one folder. The largest of the sets (WEDA-FALL with all its rates and sensors) has
some 20,000: more than this is somebody's whole disk."""


class LayoutError(ValueError):
    """A folder that cannot be imported as it stands; the message says why and what would help."""


class UnknownLayoutError(LayoutError):
    """No layout, or more than one, is recognised in the folder."""


class RefusedLayoutError(LayoutError):
    """The folder is recognised, and reading it would mislead; the message gives the reason."""


class UnreadableFileError(ValueError):
    """One file that is not what its name promises; the message gives the reason."""


class Unreadable(NamedTuple):
    """A file (or a line of one) that was left out, while the others went on."""

    source: str
    """Path below the folder that was asked for, with a line number where one is known."""
    reason: str


class RecordedTrial(NamedTuple):
    """One trial in our units: a row of the parquet layout in docs/recordings.md."""

    dataset: str
    trial: str
    """Unique in the set."""
    subject: str
    placement: str
    """``wrist`` or ``waist``; ``phone`` where the authors' layout says no more than that."""
    age_group: str | None
    """``young`` or ``older``; None where the layout does not say."""
    activity: str
    """The set's own code."""
    is_fall: bool
    fall_start_s: float | None
    """Hand-made mark, in seconds after the first sample; None where there is none."""
    fall_end_s: float | None
    rate_hz: float
    """Samples per second of this trial as recorded: nothing is resampled."""
    samples_g: NDArray[np.float32]
    """Shape (3, samples), in g, in the order of the file, on a uniform axis."""
    source: str = ""
    """Path of the file below the folder that was asked for."""
    notes: tuple[str, ...] = ()
    """What an analyst should know of this trial, in phrases that can be counted."""

    @property
    def duration_s(self) -> float:
        """Samples over rate, in seconds."""
        return float(self.samples_g.shape[1] / self.rate_hz)


class Evidence(NamedTuple):
    """What a reader recognises in a folder."""

    layout: str
    files: int
    """Files that fit the layout, name and folders."""
    example: str
    """One of them, below the folder that was asked for; empty if there is none."""
    near: int
    """Files that fit by their name alone: the nearest match when nothing fits."""


@dataclass(frozen=True)
class Listing:
    """The files under a folder, listed once for all readers."""

    root: Path
    """Absolute."""
    files: tuple[Path, ...]
    """Absolute, sorted, so that a set is read in the same order everywhere."""
    problems: tuple[Unreadable, ...] = ()
    """Folders that could not be listed."""

    @classmethod
    def of(cls, folder: Path) -> Listing:
        """List a folder (or a single file) without following links to folders.

        Hidden folders (``.git``) and what macOS adds (``__MACOSX``) are passed over.

        Raises
        ------
        LayoutError
            If there is no such folder, or it holds more than `MAX_FILES` files.
        """
        root = folder.resolve()
        if root.is_file():
            return cls(root=root, files=(root,))
        if not root.is_dir():
            raise LayoutError(f"{folder}: no such folder")
        problems: list[Unreadable] = []

        def unlistable(error: OSError) -> None:
            where = Path(error.filename) if error.filename else root
            problems.append(Unreadable(_below(root, where), f"folder: {error.strerror}"))

        files: list[Path] = []
        for parent, folders, names in os.walk(root, onerror=unlistable):
            folders[:] = [f for f in folders if not f.startswith((".", "__MACOSX"))]
            files.extend(Path(parent, name) for name in names)
            if len(files) > MAX_FILES:
                raise LayoutError(
                    f"{folder}: more than {MAX_FILES} files; point at the folder of one set"
                )
        return cls(root=root, files=tuple(sorted(files)), problems=tuple(problems))

    def name(self, path: Path) -> str:
        """A path as the user knows it: below the folder that was asked for."""
        return _below(self.root, path)


def _below(root: Path, path: Path) -> str:
    if path == root:
        return path.name
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


@dataclass(frozen=True)
class OpenSet:
    """A set that is ready to be read, file by file."""

    files: Sequence[Path]
    """In a fixed order; the length is the total of a progress report."""
    read: Callable[[Path], Iterator[RecordedTrial | Unreadable]]
    """The trials of one file, and parts of it that could not be read. Raises
    `UnreadableFileError` or `OSError` if that is the whole file."""
    problems: tuple[Unreadable, ...] = ()
    """What could not be read on opening, such as a line of a list of marks."""
    notes: tuple[str, ...] = field(default=())
    """What holds for the set as a whole, such as a missing list of marks."""


class Layout(Protocol):
    """One published layout of motion."""

    @property
    def name(self) -> str:
        """What a user asks for it by."""
        ...

    @property
    def title(self) -> str:
        """As its authors call it."""
        ...

    @property
    def version(self) -> int:
        """Of this reader; grows when the same file would be read differently."""
        ...

    @property
    def looked_for(self) -> str:
        """The files that it recognises, for a message to a person."""
        ...

    @property
    def placements(self) -> tuple[str, ...]:
        """What `open` can be asked for."""
        ...

    @property
    def automatic(self) -> bool:
        """Whether detection may choose it; a variant of another is only had by its name."""
        ...

    def detect(self, listing: Listing) -> Evidence:
        """What of the listing fits this layout; reads no more than the heads of a few files."""
        ...

    def open(self, listing: Listing, placement: str | None) -> OpenSet:
        """Choose the files. Raises `RefusedLayoutError` where reading them would mislead."""
        ...
