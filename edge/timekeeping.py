"""A wearable's wall time: set on a link that stands anyway, never for its own sake."""

from __future__ import annotations

from typing import Final

import structlog

from contract.clock import Clock, now_us
from contract.gatt import CONTROL_UUID, Operation, encode_command
from contract.protocols import LinkLostError, RadioLink
from contract.units import seconds_to_ns
from edge.counters import Counts
from edge.wearables import Wearable

_log = structlog.get_logger(__name__)

SET_AGAIN_NS: Final = seconds_to_ns(3600)
"""At ±50 ppm a crystal is 0.2 s off after an hour: less than anybody sees on a watch, and more
often would cost connection events for nothing."""

OWN_KIND: Final = "wardlight"
"""Only our own wearables understand the command."""


class TimeSetter:
    """Tells wearables what time it is, if this gateway knows."""

    def __init__(self, clock: Clock, counts: Counts) -> None:
        self._clock = clock
        self._counts = counts
        self._set: dict[str, tuple[int | None, int]] = {}
        """By device: of which boot, and when, monotonic."""

    async def set_if_due(self, wearable: Wearable, link: RadioLink) -> None:
        """Set the time of `wearable` over its `link`, if that was not done within the hour.

        A link that is lost meanwhile is counted and left to its user, who finds out at the next
        call: whatever it was made for is more important than the time.
        """
        now_ns = self._clock.monotonic_ns()
        boot = wearable.advert.boot_counter if wearable.advert is not None else None
        known_boot, at_ns = self._set.get(wearable.device, (None, now_ns - SET_AGAIN_NS))
        if known_boot == boot and now_ns - at_ns < SET_AGAIN_NS:
            return
        if wearable.config.kind != OWN_KIND or not self._clock.synced():
            return
        # Also if it fails: the next link tries it, and not each packet of this one.
        self._set[wearable.device] = boot, now_ns
        command = encode_command(Operation.SET_TIME, max(now_us(self._clock), 0))
        try:
            await link.write(CONTROL_UUID, command)
        except LinkLostError as error:
            del self._set[wearable.device]
            self._counts["times_not_set"] += 1
            _log.info("time_not_set", device=wearable.device, reason=str(error))
        else:
            self._counts["times_set"] += 1
