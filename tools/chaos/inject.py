"""Does to a home what the plan says, one deed at a time for each target."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from contract.clock import Clock, now_us
from contract.units import US_PER_S
from tools.chaos import witness
from tools.chaos.clocks import set_wrong
from tools.chaos.home import Disk
from tools.chaos.plan import GATEWAYS, Fault, Injury
from tools.chaos.proxy import Proxy, Way

HOUR_S: Final = 3_600.37
"""With a part of a second, so that no two seconds of a wearable are the same by chance."""

EPOCH_S: Final = 12.0
"""A Pi without a network boots at the epoch, and is up so long after it."""

OUTAGE_S: Final = 35.0
"""For some batches of ten seconds each."""

_WAYS: Final[Mapping[Fault, Way]] = {
    Fault.CUT: Way.CUT,
    Fault.HANG: Way.HANG,
    Fault.SLOW: Way.SLOW,
    Fault.HALF_OPEN: Way.HALF_OPEN,
}
_JUMPS_S: Final[Mapping[Fault, float]] = {Fault.AHEAD: HOUR_S, Fault.BACK: -HOUR_S}
_DEAFENING: Final = (Fault.KILL, Fault.STOP, Fault.EPOCH)


class Injured(Protocol):
    """What can be injured: `tools.chaos.home.Home`."""

    clock: Clock
    folder: Path
    proxies: dict[str, Proxy]
    disks: dict[str, Disk]

    def kill(self, name: str) -> None:
        """End it at once."""
        ...

    async def start_one(self, name: str) -> None:
        """Start it again."""
        ...

    def signal(self, name: str, number: signal.Signals) -> None:
        """Stop it, or let it go on."""
        ...

    def wall(self, gateway: str) -> Path:
        """What its clock goes by."""
        ...


class Done(NamedTuple):
    """A fault that was injected, and when."""

    fault: Fault
    target: str
    from_us: int
    to_us: int


class Injector:
    """Injects faults, and remembers which.

    Parameters
    ----------
    home
        What is injured.
    """

    def __init__(self, home: Injured) -> None:
        self.done: list[Done] = []
        self.left_out: Counter[str] = Counter()
        """Faults that this machine does not allow."""
        self._home = home
        self._targets: dict[str, asyncio.Lock] = {}
        # Two gateways hear everybody: no more than one of three is away at a time.
        self._hearing = asyncio.Lock()

    async def inject(self, injury: Injury) -> None:
        """Injure, wait, and heal; after whatever else is being done to the same target."""
        fault, target = injury.fault, injury.target
        if fault is Fault.FULL and not self._home.disks[target].there:
            self.left_out["disk full: needs root, to mount a small one"] += 1
            return
        async with AsyncExitStack() as alone:
            await alone.enter_async_context(self._lock_of(fault, target))
            if fault in _DEAFENING and target in GATEWAYS:
                await alone.enter_async_context(self._hearing)
            from_us = now_us(self._home.clock)
            async with self._injured(fault, target):
                await self._home.clock.sleep(injury.lasts_s)
            self.done.append(Done(fault, target, from_us, now_us(self._home.clock)))

    async def empty_outbox(self, gateway: str) -> None:
        """No fault that a home should survive: telemetry that waits is deleted by hand."""
        async with AsyncExitStack() as alone:
            await alone.enter_async_context(self._lock_of(Fault.CUT, gateway))
            await alone.enter_async_context(self._lock_of(Fault.KILL, gateway))
            async with self._cut_off(gateway, Way.CUT):
                await self._home.clock.sleep(OUTAGE_S)
                async with self._killed(gateway):
                    witness.forget_waiting(self._home.folder / gateway)

    def _lock_of(self, fault: Fault, target: str) -> asyncio.Lock:
        kind = {Fault.FULL: "disk", Fault.AHEAD: "process", Fault.BACK: "process"}.get(fault)
        kind = kind or ("link" if fault in _WAYS else "process")
        return self._targets.setdefault(f"{kind} {target}", asyncio.Lock())

    def _injured(self, fault: Fault, target: str) -> AbstractAsyncContextManager[None]:
        if fault is Fault.KILL:
            return self._killed(target)
        if fault is Fault.STOP:
            return self._stopped(target)
        if fault is Fault.FULL:
            return self._filled(target)
        if fault is Fault.EPOCH:
            return self._booted_at_epoch(target)
        if fault in _JUMPS_S:
            return self._on_wrong_time(target, _JUMPS_S[fault])
        return self._cut_off(target, _WAYS[fault])

    @asynccontextmanager
    async def _killed(self, target: str) -> AsyncIterator[None]:
        self._home.kill(target)
        yield
        await self._home.start_one(target)

    @asynccontextmanager
    async def _stopped(self, target: str) -> AsyncIterator[None]:
        self._home.signal(target, signal.SIGSTOP)
        try:
            yield
        finally:
            self._home.signal(target, signal.SIGCONT)

    @asynccontextmanager
    async def _filled(self, target: str) -> AsyncIterator[None]:
        disk = self._home.disks[target]
        disk.fill()
        try:
            yield
        finally:
            disk.free()

    @asynccontextmanager
    async def _cut_off(self, target: str, way: Way) -> AsyncIterator[None]:
        self._home.proxies[target].set_way(way)
        try:
            yield
        finally:
            self._home.proxies[target].set_way(Way.PASS)

    @asynccontextmanager
    async def _on_wrong_time(self, target: str, seconds: float) -> AsyncIterator[None]:
        """The clock jumps, without a word of it, and jumps back."""
        set_wrong(self._home.wall(target), seconds, synced=True)
        yield
        set_wrong(self._home.wall(target), 0.0, synced=True)

    @asynccontextmanager
    async def _booted_at_epoch(self, target: str) -> AsyncIterator[None]:
        """A power cut; up again without knowing the time, until the time service is heard."""
        self._home.kill(target)
        off_s = EPOCH_S - now_us(self._home.clock) / US_PER_S
        set_wrong(self._home.wall(target), off_s, synced=False)
        await self._home.start_one(target)
        yield
        set_wrong(self._home.wall(target), 0.0, synced=True)
