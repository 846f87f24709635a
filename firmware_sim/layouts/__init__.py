"""Readers of public sets of motion and room events, in the layouts that their authors publish.

A user who downloads a set points at its folder: `detect_layout` names it, `import_motion` turns
motion into the parquet layout of docs/recordings.md, `trials` gives it one by one;
`import_events` does the same for room events; `sphere_sequences` and `casas_events` read rooms
and homes. Nothing is downloaded, resampled or
passed on. Needs the ``recordings`` extra (pyarrow).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

from firmware_sim.layouts import casas, sphere
from firmware_sim.layouts.casas import HomeEvent
from firmware_sim.layouts.detection import EVENT_LAYOUT, LAYOUTS, detect_layout
from firmware_sim.layouts.importing import (
    ImportReport,
    Progress,
    SkipKind,
    Skipped,
    import_motion,
    trials,
)
from firmware_sim.layouts.importing_events import EventsReport, import_events
from firmware_sim.layouts.protocol import (
    Evidence,
    Layout,
    LayoutError,
    Listing,
    RecordedTrial,
    RefusedLayoutError,
    UnknownLayoutError,
    Unreadable,
    UnreadableFileError,
)
from firmware_sim.layouts.sphere import Interval, SphereSequence, Wrist
from firmware_sim.layouts.table import read_back, read_metadata


def sphere_sequences(folder: Path) -> Iterator[SphereSequence | Unreadable]:
    """The sequences of a SPHERE Challenge folder, in order (see `sphere.sequences`)."""
    return sphere.sequences(Listing.of(folder))


def casas_events(folder: Path, zone: tzinfo) -> Iterator[HomeEvent | Unreadable]:
    """The events of a CASAS folder or file, in order (see `casas.events`).

    `zone` is the home's time zone, as the stamps are the clock on its wall.
    """
    return casas.events(Listing.of(folder), zone)


__all__ = [
    "EVENT_LAYOUT",
    "LAYOUTS",
    "EventsReport",
    "Evidence",
    "HomeEvent",
    "ImportReport",
    "Interval",
    "Layout",
    "LayoutError",
    "Listing",
    "Progress",
    "RecordedTrial",
    "RefusedLayoutError",
    "SkipKind",
    "Skipped",
    "SphereSequence",
    "UnknownLayoutError",
    "Unreadable",
    "UnreadableFileError",
    "Wrist",
    "casas_events",
    "detect_layout",
    "import_events",
    "import_motion",
    "read_back",
    "read_metadata",
    "sphere_sequences",
    "trials",
]
