"""What keeps rooms from being told, and is not a radio's own silence: said by the lead, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from contract.clock import Clock
from contract.events import FaultCause
from edge.faults import FaultBook
from edge.lead import LIVE_NS
from edge.presence import Neighbours
from edge.wearables import Wearable

CALIBRATION: Final = "rooms"
"""The part of a gateway that a calibration it cannot use is a fault of."""


class ReceiverFaults:
    """Raises and clears them. Each gateway finds the same; who does not lead lets go of its own."""

    def __init__(self, faults: FaultBook, neighbours: Neighbours, clock: Clock) -> None:
        self._faults = faults
        self._neighbours = neighbours
        self._clock = clock
        self._begun_ns = clock.monotonic_ns()

    async def check(
        self,
        *,
        stuck: Mapping[str, str | None],
        torn: Iterable[Wearable],
        problem: str | None,
    ) -> None:
        """Once a second.

        Parameters
        ----------
        stuck
            Receivers that tell one strength of whatever they hear, and where each stands.
        torn
            Residents' wearables that are heard in two places at once.
        problem
            Why the home's calibration cannot be used.
        """
        if self._clock.monotonic_ns() - self._begun_ns < LIVE_NS:
            return  # it cannot have heard yet whether anybody leads
        is_lead = self._neighbours.is_lead()
        wanted = {} if not is_lead else {self._faults.part(each): each for each in stuck}
        for subject in self._faults.any_of(FaultCause.RECEIVER_STUCK):
            if subject not in wanted:
                detail = f"{subject} tells signal strengths as it should, or another gateway leads"
                await self._faults.clear(FaultCause.RECEIVER_STUCK, detail, subject=subject)
        for subject, name in wanted.items():
            zone = stuck[name]
            where = "" if zone is None else f" in {zone}"
            await self._faults.raise_fault(
                FaultCause.RECEIVER_STUCK,
                f"the receiver {name}{where} tells the same signal strength of whatever it hears: "
                "no room is told by it; restart it, or exchange it",
                subject=subject,
                zone=zone,
            )
        await self._check_calibration(problem if is_lead else None)
        if is_lead:
            for wearable in torn:
                await self._faults.raise_fault(
                    FaultCause.ADDRESS_CONFLICT,
                    f"{wearable.device} is loud at two ends of the home at once: a copy of it is "
                    "on the air, or two wearables have its identity; where its wearer is nobody "
                    "can tell; exchange it",
                    wearable,
                )

    async def _check_calibration(self, problem: str | None) -> None:
        cause, subject = FaultCause.CONFIG_REJECTED, self._faults.part(CALIBRATION)
        if problem is None:
            detail = "the home's calibration can be used, or another gateway leads"
            await self._faults.clear(cause, detail, subject=subject)
        else:
            await self._faults.raise_fault(
                cause,
                f"the home's calibration cannot be used ({problem}); rooms are told by the plan "
                "alone: calibrate anew",
                subject=subject,
            )
