"""Listens to the radio: each advert is decoded and given to whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

import structlog

from contract.clock import Clock
from contract.events import FaultCause
from contract.protocols import HeardAdvert, Radio
from edge import counters
from edge.buttons import ButtonKeeper
from edge.candidates import CandidateKeeper
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.discovery import Discovery
from edge.faults import FaultBook
from edge.pipeline import Pipeline
from edge.strengths import Hearing
from edge.waiting import Backoff

_log = structlog.get_logger(__name__)

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
"""Between attempts at a radio that has failed."""


class Ear(Protocol):
    """Whoever takes the adverts of enrolled devices that are not our own wearables."""

    @property
    def addresses(self) -> Iterable[str]:
        """Whose adverts it wants by the configuration in force, upper case with colons."""
        ...

    async def hear(self, heard: HeardAdvert) -> None:
        """Take in one advert of one of them. What cannot be read is counted and raises nothing."""
        ...


class Listener:
    """Hears adverts for as long as there is a radio, and looks for one when there is none.

    Parameters
    ----------
    discovery
        Takes every advert while somebody looks for devices.
    hearing
        Told which receivers hear anything at all.
    ears
        Who takes the adverts of other devices; `route` asks them whose.
    """

    def __init__(
        self,
        *,
        radio: Radio,
        clock: Clock,
        decoder: WearableDecoder,
        pipeline: Pipeline,
        candidates: CandidateKeeper,
        buttons: ButtonKeeper,
        faults: FaultBook,
        counts: Counts,
        discovery: Discovery,
        hearing: Hearing,
        ears: Sequence[Ear] = (),
    ) -> None:
        self._radio = radio
        self._clock = clock
        self._decoder = decoder
        self._pipeline = pipeline
        self._candidates = candidates
        self._buttons = buttons
        self._faults = faults
        self._counts = counts
        self._discovery = discovery
        self._hearing = hearing
        self._ears = ears
        self._others: dict[str, Callable[[HeardAdvert], Awaitable[None]]] = {}

    def route(self) -> None:
        """Follow a configuration that has come into force, after everybody else has."""
        self._others = {address: ear.hear for ear in self._ears for address in ear.addresses}

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Listen until cancelled. A radio that fails is tried again; that it is silent
        meanwhile is noticed by `edge.health`.
        """
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        while True:
            try:
                async for batch in self._radio.adverts():
                    backoff.reset()
                    await self.hear(batch, tasks)
                reason = "the radio ended its scan"
            except OSError as error:
                reason = str(error)
            self._counts["scans_ended"] += 1
            _log.warning("scan_ended", reason=reason)
            await self._clock.sleep(backoff.next_s())

    async def hear(self, batch: Sequence[HeardAdvert], tasks: asyncio.TaskGroup) -> None:
        """Take in adverts as they came together."""
        self._counts[counters.ADVERTS_HEARD] += len(batch)
        now_ns = self._clock.monotonic_ns()
        self._hearing.note(batch, now_ns)
        if self._discovery.active:
            for heard in batch:
                self._discovery.hear(heard)
        for heard in batch:
            other = self._others.get(heard.address)
            if other is not None:
                await other(heard)
                continue
            wearable = self._decoder.hear(heard)
            if wearable is None:
                continue
            if not wearable.config.is_carer:
                if wearable.summary_is_new:
                    self._pipeline.note_summary(wearable)
                self._candidates.consider(wearable, tasks, now_ns)
            await self._buttons.consider(wearable, tasks, now_ns)
        await self.report_anomalies()

    async def report_anomalies(self) -> None:
        """Raise faults for what the decoder found odd, also in motion packets."""
        for anomaly in self._decoder.anomalies():
            if anomaly.wearable.config.is_carer and anomaly.cause is FaultCause.WEARABLE_REBOOTED:
                continue  # nobody is to be looked at
            await self._faults.raise_fault(anomaly.cause, anomaly.detail, anomaly.wearable)
