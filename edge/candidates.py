"""Candidates: look into each one, and only then write it back.

A wearable repeats its candidate until a gateway has written the counter back, and the
gateway does that when the result, an alarm or "no fall", is in the outbox. So whoever dies on
the way, somebody comes back to it.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from contract.advert import WearableAdvert
from contract.clock import Clock
from contract.events import FaultCause
from contract.gatt import Operation
from contract.protocols import LinkLostError, RadioLink
from contract.screen import WINDOW_BEFORE_S
from contract.units import NS_PER_S, ns_to_seconds, seconds_to_ns
from edge.counters import Counts
from edge.falls import CANDIDATE, Falls
from edge.faults import FaultBook
from edge.fetcher import Candidate, WindowFetcher
from edge.links import LinkPool
from edge.outbox import EventOutbox
from edge.outbox_rows import Counter
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.sequel import SequelReader
from edge.streams import stream_covers
from edge.timebase import SessionTime
from edge.timekeeping import TimeSetter
from edge.wearables import Wearable

_log = structlog.get_logger(__name__)

TURN_S: Final = 8.0
"""How long each less near gateway waits before it fetches, too. The nearest one connects within
about a second, has its verdict four to five after the impact and writes it back at once;
whoever began earlier would fetch every window a second time. If the nearest one fails, the
suspicion is some ten seconds late and the page is not: it waits for the half minute."""

ADVERT_ALONE_PEAK_G: Final = 2.5
"""Candidate peak above which the wearable's word alone makes a fall suspected, when its window
cannot be had. 98 % of acted falls exceed it (SCIENCE, table "peak > 2.5 g"); below, a candidate
without its window is much more often a knock, and the fault says that nobody knows."""

STREAM_VERDICT_NS: Final = seconds_to_ns(8)
"""After an impact a held stream's detector has spoken within 5 s of it; with the grid's
lateness and a margin. Then its verdict is the candidate's result."""

RETRY_GIVEN_UP_NS: Final = seconds_to_ns(60)
"""A candidate still pending so long after its window was given up is tried again: the link may
be better, and the wearable keeps asking."""

REWRITE_NS: Final = seconds_to_ns(10)
"""A counter still pending so long after it was written back is written again."""

MAX_BEHIND: Final = 4
"""Candidates missed between two adverts that are fetched as well: at one per refractory time of
3 s, more cannot be within a ring buffer's reach."""

_COUNTER_MASK: Final = 0xFF


class CandidateKeeper:
    """Looks after pending candidates, one at a time for each wearable."""

    def __init__(
        self,
        *,
        pool: LinkPool,
        fetcher: WindowFetcher,
        clock: Clock,
        time: SessionTime,
        pipeline: Pipeline,
        neighbours: Neighbours,
        outbox: EventOutbox,
        falls: Falls,
        faults: FaultBook,
        setter: TimeSetter,
        counts: Counts,
    ) -> None:
        self._pool = pool
        self._fetcher = fetcher
        self._clock = clock
        self._time = time
        self._pipeline = pipeline
        self._neighbours = neighbours
        self._outbox = outbox
        self._falls = falls
        self._faults = faults
        self._setter = setter
        self._counts = counts
        self._sequel = SequelReader(
            pool=pool, time=time, fetcher=fetcher, falls=falls, counts=counts
        )
        self._queues: dict[str, list[Candidate]] = {}
        self._newest: dict[str, Counter] = {}
        self._again_ns: dict[Counter, int] = {}

    def consider(self, wearable: Wearable, tasks: asyncio.TaskGroup, now_ns: int) -> None:
        """Called with each new advert: begin whatever a pending candidate needs."""
        advert = wearable.advert
        assert advert is not None
        if wearable.device not in self._queues:
            self._sequel.tend(wearable, tasks, now_ns)
        if not advert.candidate_pending:
            if wearable.device in self._newest:
                del self._newest[wearable.device]
                tasks.create_task(self._settled(wearable))
            return
        queue = self._queues.get(wearable.device)
        for counter in self._missing(wearable.device, advert):
            if self._again_ns.get(counter, now_ns) > now_ns:
                continue
            if queue is not None and any(each.counter == counter for each in queue):
                continue
            impact_ns = self._impact_ns(wearable, now_ns)
            candidate = Candidate(wearable, counter, advert, impact_ns, now_ns)
            if queue is None:
                queue = self._queues[wearable.device] = []
                tasks.create_task(self._work_off(wearable.device, queue))
            queue.append(candidate)
        self._newest[wearable.device] = _counter(wearable.device, advert)

    async def _settled(self, wearable: Wearable) -> None:
        """Nothing is pending any more, by us or by another gateway."""
        for counter in [each for each in self._again_ns if each.device == wearable.device]:
            del self._again_ns[counter]
        await self._outbox.forget_results(wearable.device, CANDIDATE)
        await self._faults.clear(
            FaultCause.WINDOW_NOT_FETCHED, "the candidate has been looked into", wearable
        )

    def _missing(self, device: str, advert: WearableAdvert) -> list[Counter]:
        """The advert's candidate and those between it and the last one known, oldest first."""
        newest = _counter(device, advert)
        before = self._newest.get(device)
        if before is None or before.boot != newest.boot:
            return [newest]
        behind = (newest.counter - before.counter) & _COUNTER_MASK
        numbers = range(min(max(behind, 1), MAX_BEHIND) - 1, -1, -1)
        return [
            newest._replace(counter=(newest.counter - back) & _COUNTER_MASK) for back in numbers
        ]

    def _impact_ns(self, wearable: Wearable, now_ns: int) -> int:
        """Where the candidate lies, by its age in the advert."""
        advert = wearable.advert
        assert advert is not None
        end_ns = wearable.time.monotonic_ns(wearable.latest_second * NS_PER_S)
        return min(end_ns, now_ns) - seconds_to_ns(advert.candidate_age_s)

    async def _work_off(self, device: str, queue: list[Candidate]) -> None:
        try:
            while queue:
                await self._attend(queue[0])
                del queue[0]
        finally:
            del self._queues[device]

    async def _attend(self, candidate: Candidate) -> None:
        """From pending to written back, or given up for now."""
        counter = candidate.counter
        self._again_ns.pop(counter, None)
        if not self._outbox.result(counter):
            turn_s = self._turn_s(candidate.wearable)
            if turn_s > 0:
                await self._clock.sleep(turn_s)
            if not candidate.is_pending:
                return
            if not await self._judge(candidate):
                self._again_ns[counter] = self._clock.monotonic_ns() + RETRY_GIVEN_UP_NS
                return
        if counter not in self._again_ns and candidate.is_pending:
            await self._write_back(candidate)

    def _turn_s(self, wearable: Wearable) -> float:
        """How long the nearer gateways have for it."""
        rank = self._neighbours.rank(wearable)
        if rank > 0 and wearable.config.streaming:
            # The nearest may hold its stream, and waits for what that says.
            return rank * TURN_S + ns_to_seconds(STREAM_VERDICT_NS)
        return rank * TURN_S

    async def _judge(self, candidate: Candidate) -> bool:
        """Come to a result and put it into the outbox; false if there is none yet."""
        counter = candidate.counter
        if await self._judged_by_stream(candidate):
            return await self._keep_result(candidate)
        is_newest = counter == self._newest.get(counter.device)
        window = self._fetcher.new_window(candidate)
        await self._sequel.make_way(counter.device)
        is_judged = await self._fetcher.fetch(
            candidate,
            window,
            is_newest=is_newest,
            settle=lambda link: self._settle_on(candidate, link),
        )
        self._sequel.want(candidate, window)
        if is_judged:
            await self._faults.clear(
                FaultCause.WINDOW_NOT_FETCHED, "its window was fetched", candidate.wearable
            )
            return await self._keep_result(candidate)
        if candidate.is_pending:
            await self._give_up(candidate)
        return self._outbox.result(counter)

    async def _judged_by_stream(self, candidate: Candidate) -> bool:
        """Wait for the held stream's verdict, if there is one that saw all of it."""
        from_ns = candidate.impact_ns - seconds_to_ns(WINDOW_BEFORE_S / 2)
        until_s = self._time.grid_ns(candidate.impact_ns + STREAM_VERDICT_NS) // NS_PER_S
        while stream_covers(candidate.wearable, from_ns):
            if self._pipeline.closed_until_s > until_s:
                return True
            await self._clock.sleep(1.0)
        return False

    async def _keep_result(self, candidate: Candidate) -> bool:
        """Without an alarm, no fall (or one that was suspected already) is the result, and kept
        like one; whether there is one now.
        """
        if self._outbox.result(candidate.counter):
            return True
        self._counts["candidates_without_alarm"] += 1
        return await self._outbox.put_result(candidate.counter)

    async def _settle_on(self, candidate: Candidate, link: RadioLink) -> None:
        """There is a verdict, and the link still stands: write the counter back at once."""
        counter = candidate.counter
        if await self._keep_result(candidate) and self._outbox.may_write_back(counter):
            await self._pool.write_on(link, Operation.ACKNOWLEDGE_CANDIDATE, counter.counter)
            self._again_ns[counter] = self._clock.monotonic_ns() + REWRITE_NS
            if not self._pool.waiting:
                await self._setter.set_if_due(candidate.wearable, link)

    async def _give_up(self, candidate: Candidate) -> None:
        """No window: say so, and if the wearable's own evidence is strong, page on it."""
        wearable = candidate.wearable
        peak_g = candidate.want.peak_g
        if peak_g >= ADVERT_ALONE_PEAK_G:
            impact_ns = self._time.grid_ns(candidate.impact_ns)
            await self._falls.from_advert(wearable, candidate.counter, peak_g, impact_ns)
        await self._faults.raise_fault(
            FaultCause.WINDOW_NOT_FETCHED,
            f"a knock of {peak_g:.1f} g of {wearable.device} could not be looked into: no link to "
            "the wearable; look at its wearer",
            wearable,
        )

    async def _write_back(self, candidate: Candidate) -> None:
        """Tell the wearable that its candidate is in good hands."""
        counter = candidate.counter
        # If the card does not take the result, the wearable keeps asking.
        if self._outbox.may_write_back(counter):
            try:
                async with self._pool.link(candidate.wearable) as link:
                    await self._pool.write_on(
                        link, Operation.ACKNOWLEDGE_CANDIDATE, counter.counter
                    )
                    await self._setter.set_if_due(candidate.wearable, link)
            except LinkLostError as error:
                self._counts["write_backs_failed"] += 1
                _log.info("write_back_failed", device=counter.device, reason=str(error))
        self._again_ns[counter] = self._clock.monotonic_ns() + REWRITE_NS


def _counter(device: str, advert: WearableAdvert) -> Counter:
    return Counter(device, CANDIDATE, advert.boot_counter, advert.candidate_counter)
