"""Things that make themselves heard: what they share, a log line and an MQTT topic.

They do as they are told; when to sound is `edge.siren_policy`'s affair. The loudspeaker is in
`edge.loudspeaker`, a relay on a pin in `edge.gpio_siren`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import structlog

from contract import topics, wire
from contract.messages import MESSAGE_SCHEMA, SirenMessage, Tone
from contract.protocols import Bus, NotConnectedError, PublishRefusedError

_log = structlog.get_logger(__name__)


class Siren(Protocol):
    """Something that can be heard."""

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        """Begin, or go on; called again about once a second while it shall sound. Never
        raises.
        """
        ...

    async def quiet(self) -> None:
        """Stop. Never raises."""
        ...

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why some of it would not be heard, a sentence each; empty while all of it would."""
        ...


REPEAT_CALLS: Final = 5
"""A sounder is told to go on at every fifth call of `sound`, which comes once a second: three
times within `contract.messages.SOUNDER_HOLDS_S`."""


class LogSiren:
    """Writes a line when it begins, changes or stops: always there."""

    troubles: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._said: tuple[Tone, str] | None = None

    @property
    def sounding(self) -> Tone | None:
        """What is sounding now."""
        return self._said[0] if self._said is not None else None

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        if self._said != (tone, reason):
            self._said = (tone, reason)
            _log.warning(
                "siren_sounds", tone=tone.value, reason=reason, volume_percent=volume_percent
            )

    async def quiet(self) -> None:
        if self._said is not None:
            self._said = None
            _log.warning("siren_quiet")


class MqttSiren:
    """Tells sounders over MQTT, on the gateway's siren topic."""

    def __init__(self, bus: Bus, home: str, gateway: str) -> None:
        self._bus = bus
        self._gateway = gateway
        self._topic = topics.build(home, gateway, topics.SIREN)
        self._said: tuple[Tone, str, int] | None = None
        self._calls_since = 0
        self.troubles: tuple[str, ...] = ()
        """That the broker refuses the topic. One that is away is a fault of its own, and is
        what the other sirens are for."""

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        wanted = (tone, reason, volume_percent)
        self._calls_since += 1
        if self._said == wanted and self._calls_since < REPEAT_CALLS:
            return
        message = SirenMessage(
            schema=MESSAGE_SCHEMA,
            gateway=self._gateway,
            sounding=True,
            tone=tone,
            reason=reason,
            volume_percent=volume_percent,
        )
        if await self._say(message):
            self._said, self._calls_since = wanted, 0

    async def quiet(self) -> None:
        if self._said is None:
            return
        self._said = None
        # Without a broker it is not said, and the sounder falls silent by itself.
        await self._say(SirenMessage(schema=MESSAGE_SCHEMA, gateway=self._gateway, sounding=False))

    async def _say(self, message: SirenMessage) -> bool:
        try:
            await self._bus.publish(self._topic, wire.encode(message))
        except NotConnectedError as error:
            _log.warning("siren_unsaid", reason=str(error))
            return False
        except PublishRefusedError as error:
            self.troubles = (f"the broker refuses the sounders' topic {self._topic}: {error}",)
            _log.error("siren_refused", topic=self._topic, reason=str(error))
            return False
        self.troubles = ()
        return True


def combined_siren(*sirens: Siren) -> Siren:
    """Several sirens as one."""
    return _CombinedSiren(sirens)


class _CombinedSiren:
    """Each follows what it was told last, at its own pace.

    A broker that hangs takes a publish and answers it much later, or never; that is when the
    loudspeaker and the pin, which must be told again each second, are needed most.
    """

    def __init__(self, sirens: Sequence[Siren]) -> None:
        self._sirens = sirens
        self._wishes: dict[int, Callable[[], Coroutine[Any, Any, None]]] = {}
        """What is still to be done, by the place of the siren."""
        self._following: dict[int, asyncio.Task[None]] = {}

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        await self._tell(partial(each.sound, tone, reason, volume_percent) for each in self._sirens)

    async def quiet(self) -> None:
        await self._tell(each.quiet for each in self._sirens)

    async def _tell(self, wishes: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Hand on to each; returns when the first has done it."""
        for place, wish in enumerate(wishes):
            self._wishes[place] = wish
            following = self._following.get(place)
            if following is None or following.done():
                self._following[place] = asyncio.create_task(self._follow(place))
        free = [each for each in self._following.values() if not each.done()]
        if free:
            await asyncio.wait(free, return_when=asyncio.FIRST_COMPLETED)

    async def _follow(self, place: int) -> None:
        while (wish := self._wishes.pop(place, None)) is not None:
            try:
                await wish()
            except Exception:  # noqa: BLE001 - the others, and the gateway, go on
                _log.exception("siren_defect", siren=type(self._sirens[place]).__name__)

    @property
    def troubles(self) -> tuple[str, ...]:
        return tuple(trouble for each in self._sirens for trouble in each.troubles)
