"""What gateways hear, asked for over the broker, and put together from all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from contract import topics
from contract.clock import Clock, now_us
from contract.ids import IdSource
from contract.messages import (
    MESSAGE_SCHEMA,
    Command,
    CommandName,
    Discovered,
    DiscoveredDevice,
    Role,
    Status,
)
from contract.protocols import Bus, Message, NotConnectedError, PublishRefusedError
from contract.units import US_PER_S
from contract.wire import RejectedMessageError, decode, encode

CONNECT_LIMIT_S: Final = 10.0
"""A broker on the home's network answers in milliseconds; one that is down never does."""

AFTERWARDS_S: Final = 2.0
"""The last word of a gateway comes a second after the command ends."""

BATTERY_DAYS: Final = "battery_days: "
HEARD_S_AGO: Final = "heard_s_ago: "
"""Counts in a gateway's status, each before a device's name (`edge.health`)."""


class NotHeardError(RuntimeError):
    """Gateways cannot be asked; the message says why and what to do."""


class Line(NamedTuple):
    """One device as all gateways together hear it."""

    device: DiscoveredDevice
    """As the gateway that hears it best says."""
    gateway: str
    adverts: int
    """Of all gateways."""


class Hearing:
    """Asks every gateway of a home what it hears, and gathers the answers in memory."""

    def __init__(
        self, bus: Bus, home: str, clock: Clock, ids: IdSource, gateways: Iterable[str]
    ) -> None:
        self._bus = bus
        self._home = home
        self._clock = clock
        self._command = ids.new()
        self.asked = set(gateways)
        """Those of the records, and those whose heartbeat the broker keeps."""
        self.answered: dict[str, Discovered] = {}
        self._counts: dict[str, dict[str, float]] = {}
        self._refused: str | None = None
        self._expires_us = 0

    async def listen(self, seconds: float, on_second: Callable[[], bool] = lambda: False) -> None:
        """Listen for `seconds`, or until `on_second` says that it is enough.

        Raises
        ------
        NotHeardError
            If there is no broker, or it lets nobody ask.
        """
        connected = asyncio.Event()
        self._expires_us = now_us(self._clock) + round((CONNECT_LIMIT_S + seconds) * US_PER_S)

        async def on_connected() -> None:
            self._expires_us = now_us(self._clock) + round(seconds * US_PER_S)
            connected.set()
            for gateway in sorted(self.asked):
                await self._ask(gateway)

        filters = [
            topics.build(self._home, topics.ANY, branch)
            for branch in (topics.DISCOVERED, topics.STATUS)
        ]
        running = asyncio.create_task(self._bus.run(filters, self._on_messages, on_connected))
        try:
            await self._until(connected, running)
            left_s = seconds + AFTERWARDS_S
            while left_s > 0 and not on_second():
                if self._refused is not None:
                    raise NotHeardError(self._refused)
                await self._clock.sleep(min(1.0, left_s))
                left_s -= 1.0
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _until(self, connected: asyncio.Event, running: asyncio.Task[None]) -> None:
        waited_s = 0.0
        while not connected.is_set():
            if running.done() or waited_s >= CONNECT_LIMIT_S:
                raise NotHeardError(
                    "the broker cannot be reached: is it running, and is [broker] url right? "
                    "`wardlight doctor` says more. Devices that you know by address can be "
                    "enrolled without it."
                )
            await self._clock.sleep(0.1)
            waited_s += 0.1

    async def _ask(self, gateway: str) -> None:
        command = Command(
            schema=MESSAGE_SCHEMA,
            id=self._command,
            name=CommandName.DISCOVER,
            expires_at_us=self._expires_us,
        )
        try:
            await self._bus.publish(
                topics.build(self._home, gateway, topics.COMMAND), encode(command)
            )
        except NotConnectedError:
            return  # asked again on connect
        except PublishRefusedError as error:
            self._refused = (
                f"the broker lets this command ask nothing ({error}): give it a certificate of its "
                "own with `wardlight provision service devices`"
            )

    async def _on_messages(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                topic = topics.parse(message.topic)
                if topic.branch == topics.DISCOVERED:
                    found = decode(message.payload, Discovered)
                    if found.command == self._command and found.gateway == topic.sender:
                        self.answered[found.gateway] = found
                else:
                    await self._on_status(decode(message.payload, Status), topic.sender)
            except (ValueError, RejectedMessageError):
                continue  # somebody else's: the services tell of it

    async def _on_status(self, status: Status, sender: str) -> None:
        if status.role is not Role.GATEWAY or status.name != sender:
            return
        self._counts[sender] = status.counts
        if status.online and sender not in self.asked:
            self.asked.add(sender)
            await self._ask(sender)

    # --- what came of it -------------------------------------------------------------------

    @property
    def silent(self) -> list[str]:
        """Gateways that have not answered."""
        return sorted(self.asked - self.answered.keys())

    def lines(self) -> list[Line]:
        """Every device once, the strongest first."""
        best: dict[str, Line] = {}
        for gateway, found in sorted(self.answered.items()):
            for device in found.devices:
                name = device.device or device.address
                known = best.get(name)
                adverts = device.adverts + (0 if known is None else known.adverts)
                if known is None or device.rssi_dbm > known.device.rssi_dbm:
                    best[name] = Line(device, gateway, adverts)
                else:
                    best[name] = known._replace(adverts=adverts)
        return sorted(best.values(), key=lambda line: -line.device.rssi_dbm)

    def heard_s_ago(self, device: str) -> float | None:
        """When any gateway last heard it, by their heartbeats."""
        return self._least(HEARD_S_AGO + device)

    def battery_days(self, device: str) -> float | None:
        """How long its battery lasts, as the gateways reckon."""
        return self._least(BATTERY_DAYS + device)

    def _least(self, name: str) -> float | None:
        values = [counts[name] for counts in self._counts.values() if name in counts]
        return min(values, default=None)
