"""As much of systemd as a gateway asks: restart bluetoothd, restart the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from dbus_fast import Message

from firmware_sim.bluez.connection import CallRefusedError, Connection, Reply

NAME: Final = "org.freedesktop.systemd1"
PATH: Final = "/org/freedesktop/systemd1"
MANAGER: Final = f"{NAME}.Manager"

BLUETOOTH_UNIT: Final = "bluetooth.service"
REBOOT_UNIT: Final = "reboot.target"

_JOB: Final = f"{PATH}/job/1"


class FakeSystemd:
    """``org.freedesktop.systemd1`` on the private bus.

    Parameters
    ----------
    address
        Of the bus.
    restart
        Restarts bluetoothd.

    Attributes
    ----------
    allows
        False: polkit refuses, as it does to a user without the right.
    asked
        Units that were asked for, in their order; a reboot is only noted.
    """

    def __init__(self, address: str, restart: Callable[[], Awaitable[None]]) -> None:
        self._connection = Connection(address, self._take, lambda _: None)
        self._restart = restart
        self._working: set[asyncio.Task[None]] = set()
        self.allows = True
        self.asked: list[str] = []

    async def start(self) -> None:
        """Own the name."""
        await self._connection.open(NAME)

    async def stop(self) -> None:
        """Let go of it."""
        self._connection.close()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    def _take(self, call: Message) -> None:
        try:
            self._connection.answer(call, self._begin(call))
        except CallRefusedError as error:
            self._connection.refuse(call, error)

    def _begin(self, call: Message) -> Reply:
        if call.interface != MANAGER or call.member not in ("RestartUnit", "StartUnit"):
            raise CallRefusedError(
                "org.freedesktop.DBus.Error.UnknownMethod", f"Unknown method {call.member}"
            )
        if not self.allows:
            raise CallRefusedError(
                "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
                "Interactive authentication required.",
            )
        unit = str(call.body[0])
        if unit not in (BLUETOOTH_UNIT, REBOOT_UNIT):
            raise CallRefusedError(f"{NAME}.NoSuchUnit", f"Unit {unit} not found.")
        self.asked.append(unit)
        if unit == BLUETOOTH_UNIT:
            # A job is answered when it is queued; what it does is seen on the bus.
            task = asyncio.create_task(self._run())
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return Reply("o", [_JOB])

    async def _run(self) -> None:
        await self._restart()
