"""What a capture holds, counted: while it is written, and once more when it is sealed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from contract.protocols import HeardAdvert
from firmware_sim.capture.format import LinkStep


class CaptureCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a capture holds; encodes to JSON as it is."""

    adverts: int
    devices: int
    """Addresses of this home heard; strangers are not written down."""
    links: int
    """That came up."""
    links_failed: int
    writes: int
    notifications: int


class Tally:
    """Counts what happens, as it happens."""

    def __init__(self) -> None:
        self._adverts = 0
        self._addresses: set[str] = set()
        self._steps: Counter[LinkStep] = Counter()

    def adverts(self, batch: Iterable[HeardAdvert]) -> None:
        """Adverts were heard."""
        for heard in batch:
            self._adverts += 1
            self._addresses.add(heard.address)

    def link(self, step: LinkStep) -> None:
        """Something happened to a link."""
        self._steps[step] += 1

    def counts(self) -> CaptureCounts:
        """All of it so far."""
        return CaptureCounts(
            adverts=self._adverts,
            devices=len(self._addresses),
            links=self._steps[LinkStep.CONNECTED],
            links_failed=self._steps[LinkStep.FAILED],
            writes=self._steps[LinkStep.WRITTEN],
            notifications=self._steps[LinkStep.NOTIFIED],
        )
