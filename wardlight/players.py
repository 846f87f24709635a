"""What ``wardlight replay`` plays: recorded trials, or the capture of a gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from contract.clock import Clock
from contract.messages import WearableConfig
from contract.protocols import Radio
from contract.units import US_PER_S
from firmware_sim import ReplayRadio, ScheduledTrial
from firmware_sim.capture import Capture, CaptureRadio


class Player(Protocol):
    """A radio that plays a recording."""

    @property
    def radio(self) -> Radio:
        """What a gateway listens to."""
        ...

    @property
    def wearables(self) -> Sequence[WearableConfig]:
        """What is worn in it, as a gateway is told."""
        ...

    async def play(self) -> None:
        """To the end of the recording."""
        ...

    def place(self, at_us: int) -> str:
        """Where in the recording a wall time lies, in words."""
        ...

    def summary(self) -> str:
        """What was played, in words."""
        ...


class Trials:
    """Recorded trials, one after another."""

    def __init__(self, radio: ReplayRadio) -> None:
        self.radio = radio
        self.wearables = radio.wearables

    async def play(self) -> None:
        await self.radio.run()

    def place(self, at_us: int) -> str:
        played = self._trial_at(at_us)
        if played is None:
            return "between trials"
        return f"{played.stream.trial}  at {(at_us - played.start_us) / US_PER_S:.2f} s"

    def _trial_at(self, at_us: int) -> ScheduledTrial | None:
        return next(
            (t for t in reversed(self.radio.schedule) if t.start_us <= at_us < t.until_us), None
        )

    def summary(self) -> str:
        played = len(self.radio.schedule)
        return f"{played} {'trial' if played == 1 else 'trials'} played."


class CapturedGateway:
    """The radio traffic of a gateway."""

    def __init__(
        self,
        capture: Capture,
        clock: Clock,
        on_neighbour: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.radio = CaptureRadio(capture, clock, on_neighbour=on_neighbour)
        self.wearables = self.radio.wearables
        self._scene = capture.scene

    async def play(self) -> None:
        await self.radio.run()

    def place(self, at_us: int) -> str:
        return f"{self._scene.gateway.name}  at {self.radio.recorded_s(at_us):.2f} s"

    def summary(self) -> str:
        counts = self.radio.counts
        words = (
            f"{self._scene.gateway.name} of home {self._scene.home} played: {counts.adverts} "
            f"adverts, {counts.links} links, {counts.notifications} notifications"
        )
        if counts.notifications_missed:
            words += f"; {counts.notifications_missed} notifications that nobody listened to"
        if counts.links_refused:
            words += f"; {counts.links_refused} links asked for that were not recorded"
        return f"{words}."
