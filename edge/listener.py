"""Listens to the radio: each advert is decoded and given to whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from contract.clock import Clock
from contract.protocols import HeardAdvert, Radio
from edge import counters
from edge.buttons import ButtonKeeper
from edge.candidates import CandidateKeeper
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.faults import FaultBook
from edge.pipeline import Pipeline
from edge.waiting import Backoff

_log = structlog.get_logger(__name__)

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
"""Between attempts at a radio that has failed."""


class Listener:
    """Hears adverts for as long as there is a radio, and looks for one when there is none."""

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
    ) -> None:
        self._radio = radio
        self._clock = clock
        self._decoder = decoder
        self._pipeline = pipeline
        self._candidates = candidates
        self._buttons = buttons
        self._faults = faults
        self._counts = counts

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
        for heard in batch:
            wearable = self._decoder.hear(heard)
            if wearable is None:
                continue
            if wearable.summary_is_new:
                self._pipeline.note_summary(wearable)
            self._candidates.consider(wearable, tasks, now_ns)
            await self._buttons.consider(wearable, tasks, now_ns)
        await self.report_anomalies()

    async def report_anomalies(self) -> None:
        """Raise faults for what the decoder found odd, also in motion packets."""
        for anomaly in self._decoder.anomalies():
            await self._faults.raise_fault(anomaly.cause, anomaly.detail, anomaly.wearable)
