"""Which layout a folder has: the registry, and how the choice is made and explained."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from firmware_sim.layouts.casas import Casas
from firmware_sim.layouts.protocol import (
    Evidence,
    Layout,
    Listing,
    RefusedLayoutError,
    UnknownLayoutError,
)
from firmware_sim.layouts.sisfall import MMA8451_G_PER_COUNT, SisFall
from firmware_sim.layouts.smartfallmm import SmartFallMM
from firmware_sim.layouts.sphere import Sphere
from firmware_sim.layouts.umafall import UmaFall
from firmware_sim.layouts.weda import Weda

_READERS: Final[tuple[Layout, ...]] = (
    Weda(),
    SisFall(),
    SisFall(
        name="sisfall_mma8451",
        title="SisFall (MMA8451Q)",
        automatic=False,
        sensor="mma8451",
        g_per_count=MMA8451_G_PER_COUNT,
    ),
    SmartFallMM(),
    UmaFall(),
    Sphere(),
)

LAYOUTS: Final[dict[str, Layout]] = {reader.name: reader for reader in _READERS}
"""Layouts of motion by name."""

EVENT_LAYOUT: Final = Casas()
"""The layout of room events: it holds no motion."""


def detect_layout(folder: Path) -> Evidence:
    """Name the layout of a folder, with what it was recognised by.

    Raises
    ------
    UnknownLayoutError
        If there is none, or more than one; lists what was looked for, and the nearest match.
    LayoutError
        If there is no such folder.
    """
    return detect(Listing.of(folder))


def detect(listing: Listing) -> Evidence:
    """As `detect_layout`, of a folder that is already listed."""
    found = [reader.detect(listing) for reader in LAYOUTS.values() if reader.automatic]
    matches = [evidence for evidence in found if evidence.files]
    if not matches:
        # CASAS is known by content alone, so it is tried last and only on a folder of no other.
        matches = [evidence for evidence in [EVENT_LAYOUT.detect(listing)] if evidence.files]
    if not matches:
        raise UnknownLayoutError(_nothing_found(listing, found))
    if len(matches) > 1:
        seen = "; ".join(f"{e.layout}: {e.files} files such as {e.example}" for e in matches)
        raise UnknownLayoutError(
            f"{listing.root}: more than one set ({seen}). Point at one of them, or name its layout."
        )
    return matches[0]


def _nothing_found(listing: Listing, found: list[Evidence]) -> str:
    looked = [f"  {r.name}: {r.looked_for}" for r in LAYOUTS.values() if r.automatic]
    looked.append(f"  {EVENT_LAYOUT.name}: {EVENT_LAYOUT.looked_for}")
    nearest = max(found, key=lambda evidence: evidence.near)
    hint = "No file name comes near one of them."
    if nearest.near:
        hint = (
            f"Nearest: {nearest.layout}, {nearest.near} files have its names, but not in the "
            "folders it publishes them in."
        )
    return "\n".join(
        [
            f"{listing.root}: no known layout among {len(listing.files)} files. Looked for:",
            *looked,
            hint,
        ]
    )


def find_layout(listing: Listing, name: str | None) -> Layout:
    """The reader that was asked for, or the one that the folder needs.

    Raises
    ------
    UnknownLayoutError
        If the name is none of ours, the folder is not of that layout, or no layout is found.
    RefusedLayoutError
        If the folder holds events and no motion.
    """
    chosen = name or detect(listing).layout
    if chosen == EVENT_LAYOUT.name:
        raise RefusedLayoutError(
            f"{listing.root}: {EVENT_LAYOUT.title} holds events of room sensors and no motion. Say "
            "where the home is, as its stamps are the clock on its wall: --zone Area/City."
        )
    if chosen not in LAYOUTS:
        raise UnknownLayoutError(f"no layout {chosen!r}; there are {', '.join(LAYOUTS)}")
    reader = LAYOUTS[chosen]
    evidence = reader.detect(listing)
    if not evidence.files:
        raise UnknownLayoutError(_nothing_found(listing, [evidence]))
    return reader
