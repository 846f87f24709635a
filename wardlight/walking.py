"""``wardlight calibrate walk``: a page on a phone, the home's presence messages, a folder."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from contract import topics
from contract.clock import Clock
from contract.messages import Presence
from contract.protocols import Bus, Message
from contract.wire import RejectedMessageError, decode
from dashboards.walk import create_walk_app
from dashboards.web import serve
from evaluation.rooms import ENOUGH_S, WalkRecorder, WalkState
from wardlight.settings import Settings

SECRET_BYTES: Final = 6
"""Guessed once in 300 million million tries; short enough to be typed from a screen."""

NO_BROKER: Final = "broker"
NO_DISK: Final = "disk"
"""Keys of `dashboards.walk.words.WORDS`."""


class WalkRun:
    """One walk that is being walked.

    Parameters
    ----------
    bus
        Hears what gateways tell each other.
    say
        Takes lines for who started it.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        device: str,
        *,
        bus: Bus,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._device = device
        self._bus = bus
        self._clock = clock
        self._say = say
        self._is_done = asyncio.Event()
        self._disk: str | None = None
        self.recorder = WalkRecorder(
            folder,
            device=device,
            zones=[each.id for each in settings.zones],
            gateways=[each.name for each in settings.gateways],
            receivers=[each.name for each in settings.receivers],
            clock=clock,
        )

    async def run(self, host: str, port: int, shown_host: str) -> bool:
        """Serve the page until somebody is done, or the process is asked to end; whether somebody
        was.

        Raises
        ------
        OSError
            If the page cannot be served there.
        """
        secret = secrets.token_urlsafe(SECRET_BYTES)
        app = create_walk_app(
            self,
            device=self._device,
            secret=secret,
            enough_s=ENOUGH_S,
            done=self._is_done.set,
            trouble=self.trouble,
        )
        web = await serve(app, host, port)
        self._say(f"Open on a phone in the same network: http://{shown_host}:{web.port}/{secret}/")
        listening = asyncio.create_task(self.listen())
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        ends = [asyncio.create_task(each.wait()) for each in (self._is_done, stopped)]
        try:
            await asyncio.wait((*ends, listening), return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                listening.result()
            # The phone shall see that it is over.
            await self._clock.sleep(1.0 if self._is_done.is_set() else 0.0)
        finally:
            for task in (listening, *ends):
                task.cancel()
            await asyncio.gather(listening, *ends, return_exceptions=True)
            await web.stop()
        self.recorder.finish()
        return self._is_done.is_set()

    async def listen(self) -> None:
        """Write down what the home's gateways hear, until cancelled."""
        presence = topics.build(self._settings.home.id, topics.ANY, topics.PRESENCE)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bus.run([presence], self._on_messages))
            tasks.create_task(self._tick())

    # -- for the page ----------------------------------------------------------------------------

    def now_in(self, zone: str | None) -> None:
        """The walker has tapped."""
        self._write(lambda: self.recorder.now_in(zone))

    def undo(self) -> None:
        """The last tap was a mistake."""
        self._write(self.recorder.undo)

    def state(self) -> WalkState:
        """How the walk stands."""
        return self.recorder.state()

    def trouble(self) -> str | None:
        """Why nothing comes in, or cannot be kept."""
        if self._disk is not None:
            return NO_DISK
        return None if self._bus.connected else NO_BROKER

    # -- behind it -------------------------------------------------------------------------------

    async def _on_messages(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                presence = decode(message.payload, Presence)
                if topics.parse(message.topic).sender == presence.gateway:
                    self._write(lambda said=presence: self.recorder.hear(said))  # type: ignore[misc]
            except (ValueError, RejectedMessageError):
                continue  # somebody else's: the gateways tell of it

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(1.0)
            self._write(self.recorder.tick)

    def _write(self, what: Callable[[], None]) -> None:
        try:
            what()
        except OSError as error:
            if self._disk is None:
                self._say(f"The walk cannot be written down: {error}")
            self._disk = str(error)
        else:
            self._disk = None


def missing(state: WalkState) -> list[str]:
    """Zones in which the walk was too short."""
    return [zone for zone, seconds in state.seconds.items() if seconds < ENOUGH_S]
