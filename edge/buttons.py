"""The wearable's button: an alarm at once, and the counter written back once it is durable."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from contract.clock import Clock
from contract.events import EventKind, Evidence
from contract.gatt import Operation, VibratePattern
from contract.protocols import LinkLostError
from contract.units import seconds_to_ns
from edge.counters import Counts
from edge.links import LinkPool
from edge.outbox import EventOutbox
from edge.outbox_rows import Counter
from edge.reporter import About, Reporter
from edge.timekeeping import TimeSetter
from edge.wearables import OWN_KIND, Wearable

_log = structlog.get_logger(__name__)

BUTTON: Final = "button"
BUTTON_DETECTOR: Final = "button/1"

REWRITE_NS: Final = seconds_to_ns(5)
"""Between two tries to write a counter back. The wearer feels nothing of it; the wearable only
stops repeating itself."""


class ButtonKeeper:
    """Looks after pending presses."""

    def __init__(
        self,
        *,
        pool: LinkPool,
        clock: Clock,
        outbox: EventOutbox,
        reporter: Reporter,
        setter: TimeSetter,
        counts: Counts,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._outbox = outbox
        self._reporter = reporter
        self._setter = setter
        self._counts = counts
        self._again_ns: dict[str, int] = {}
        self._reported: dict[str, Counter] = {}

    async def consider(self, wearable: Wearable, tasks: asyncio.TaskGroup, now_ns: int) -> None:
        """Called with each new advert: report a press, or try again to write it back."""
        advert = wearable.advert
        assert advert is not None
        device = wearable.device
        if not advert.button_pending:
            if device in self._again_ns:
                del self._again_ns[device]
                await self._outbox.forget_results(device, BUTTON)
            return
        counter = Counter(device, BUTTON, advert.boot_counter, advert.button_counter)
        # Both: the file's word is from before a restart, ours is there while the card writes.
        if not self._outbox.result(counter) and self._reported.get(device) != counter:
            self._reported[device] = counter
            await self._report(wearable, counter, now_ns)
            self._again_ns[device] = now_ns
        if self._again_ns.get(device, now_ns) <= now_ns and self._outbox.may_write_back(counter):
            self._again_ns[device] = now_ns + REWRITE_NS
            tasks.create_task(self._write_back(wearable, counter))

    async def _report(self, wearable: Wearable, counter: Counter, now_ns: int) -> None:
        who = wearable.config.resident or wearable.device
        about = About(
            wearable=wearable,
            key=f"{who}:help:{counter.device}:{counter.boot}:{counter.counter}",
            evidence=Evidence(detector=BUTTON_DETECTOR),
            detail="The button on the wearable was pressed.",
        )
        await self._reporter.emit(
            EventKind.HELP_REQUESTED, about, at_monotonic_ns=now_ns, result=counter
        )

    async def _write_back(self, wearable: Wearable, counter: Counter) -> None:
        try:
            async with self._pool.link(wearable) as link:
                await self._pool.write_on(link, Operation.ACKNOWLEDGE_BUTTON, counter.counter)
                await self._setter.set_if_due(wearable, link)
        except LinkLostError as error:
            self._counts["write_backs_failed"] += 1
            _log.info("write_back_failed", device=counter.device, reason=str(error))


async def vibrate(pool: LinkPool, wearable: Wearable, pattern: VibratePattern) -> bool:
    """Let the wearer feel something; best effort, whether it worked."""
    if wearable.config.kind != OWN_KIND:
        # Another maker's does not know our commands, and its link is needed for what it says.
        return False
    try:
        await pool.write(wearable, Operation.VIBRATE, pattern)
    except LinkLostError as error:
        _log.info("vibrate_failed", device=wearable.device, reason=str(error))
        return False
    return True
