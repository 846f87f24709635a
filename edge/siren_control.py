"""Lets the siren follow its policy, without ever waiting for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from contract.clock import Clock, now_datetime
from contract.messages import GatewayConfig, VolumeHours
from contract.units import seconds_to_ns
from edge.outbox import EventOutbox
from edge.siren import Siren
from edge.siren_memory import SirenMemory
from edge.siren_policy import DEFAULT_VOLUME_PERCENT, Order, SirenPolicy, volume_percent

TEST_NS: Final = seconds_to_ns(3)
"""Long enough to hear that it works."""


class SirenControl:
    """One gateway's siren."""

    def __init__(self, siren: Siren, clock: Clock, outbox: EventOutbox, folder: Path) -> None:
        self._siren = siren
        self._clock = clock
        self._outbox = outbox
        self._volumes: list[VolumeHours] = []
        self.zone = ZoneInfo("UTC")
        self._acting: asyncio.Task[None] | None = None
        self._sounds = False
        self._memory = SirenMemory(folder)
        self.policy = SirenPolicy(clock.monotonic_ns())

    def begin(self) -> None:
        """Take up what an earlier session knew; the outbox has been opened."""
        self._memory.begin(self.policy, self._outbox, self._clock)

    def configure(self, config: GatewayConfig) -> None:
        """Follow the home's volumes from now on."""
        self._volumes = config.siren_volume
        self.zone = ZoneInfo(config.time_zone)

    def test(self) -> None:
        """Let it be heard that it works."""
        self.policy.test(self._clock.monotonic_ns() + TEST_NS)

    @property
    def order(self) -> Order | None:
        """What shall be heard now."""
        return self.policy.order(self._outbox.pending.values(), self._clock.monotonic_ns())

    def update(self, tasks: asyncio.TaskGroup) -> None:
        """Sound, go on or stop, as the policy says; a siren that hangs is left to itself."""
        self._memory.keep(self.policy.memory(self._clock.monotonic_ns()))
        if self._acting is not None and not self._acting.done():
            return
        order = self.order
        if order is not None:
            self._sounds = True
            self._acting = tasks.create_task(
                self._siren.sound(order.tone, order.reason, self._volume())
            )
        elif self._sounds:
            self._sounds = False
            self._acting = tasks.create_task(self._siren.quiet())

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why some of the siren would not be heard."""
        return self._siren.troubles

    async def stop(self) -> None:
        """The gateway ends: whoever takes over sounds anew if it must."""
        if self._sounds:
            self._sounds = False
            await self._siren.quiet()

    def _volume(self) -> int:
        if not self._volumes:
            return DEFAULT_VOLUME_PERCENT
        return volume_percent(self._volumes, now_datetime(self._clock).astimezone(self.zone).hour)
