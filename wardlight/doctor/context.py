"""What every check is given: the settings, the clocks, and what several checks share."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from contract.clock import Clock, SystemClock
from messaging import MqttBus
from wardlight.doctor.hearing import Heard, listen
from wardlight.services import bus_of
from wardlight.settings import Settings

T = TypeVar("T")

NAME: Final = "doctor"
"""Our place in topics and client ids. Nobody subscribes to anything below it but status and
presence, of which we have none."""


class Context:
    """One examination.

    Parameters
    ----------
    settings
        Of the home.
    clock
        The home's: ages and clock errors are judged by it.
    machine
        For limits and for what networks and disks take: those do not run faster in a replay.
    path
        Where the settings come from; None for the environment alone.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        machine: Clock | None = None,
        path: Path | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.machine = machine or SystemClock()
        self.path = path
        self.token = secrets.token_hex(4)
        """Tells this examination from another one at the same time."""
        self._listening: asyncio.Task[Heard] | None = None

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateways that the home should have."""
        entered = tuple(entry.name for entry in self.settings.gateways)
        return entered or (self.settings.gateway.name,)

    def bus(self, purpose: str) -> MqttBus:
        """A client of the broker that throws nobody else off it.

        Raises
        ------
        OSError
            If the password file cannot be read.
        ValueError
            If the broker's URL cannot be.
        """
        return bus_of(self.settings, f"{NAME}-{self.token}-{purpose}", self.clock, NAME)

    async def heard(self) -> Heard:
        """What the home's heartbeats say; listened to once, for all who ask."""
        if self._listening is None:
            home = self.settings.home.id
            self._listening = asyncio.create_task(
                listen(self.bus("ear"), home, self.gateways, self.clock)
            )
        # One check that is out of time must not take the ears of the others.
        return await asyncio.shield(self._listening)

    async def close(self) -> None:
        """End what is still being listened to."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work beside the event loop.

    On a thread that the process does not wait for: a disk or a name server that hangs must
    not keep the examination from ending.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        # The examination may be over, and its loop closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if done.done() else settled())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed on
            caught = error
            settle(lambda: done.set_exception(caught))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await done
