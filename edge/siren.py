"""Things that make themselves heard: a log line, an MQTT topic, a loudspeaker.

They do as they are told; when to sound is `edge.siren_policy`'s affair.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import struct
import tempfile
import wave
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from contract import topics
from contract.messages import MESSAGE_SCHEMA
from contract.protocols import Bus, NotConnectedError, PublishRefusedError

_log = structlog.get_logger(__name__)


class Tone(StrEnum):
    """What people hear."""

    ALARM = "alarm"
    """Somebody needs help, and nobody is known to be coming."""
    SYSTEM_DOWN = "system_down"
    """The alert service is silent: look after the beds yourselves."""
    TEST = "test"


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


class SirenMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sounder at a staff point is told. It stops by itself when it hears nothing for
    `SOUNDER_HOLDS_S`: a gateway that died must not sound for ever.
    """

    schema: int
    gateway: str
    sounding: bool
    tone: Tone | None = None
    reason: str | None = None
    volume_percent: int = 0


SOUNDER_HOLDS_S: Final = 15.0
"""Three messages may be lost before a sounder falls silent."""
REPEAT_CALLS: Final = 5
"""A sounder is told to go on at every fifth call of `sound`, which comes once a second."""


class LogSiren:
    """Writes a line when it begins, changes or stops: always there."""

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
            await self._bus.publish(self._topic, msgspec.json.encode(message))
        except (NotConnectedError, PublishRefusedError) as error:
            _log.warning("siren_unsaid", reason=str(error))
            return False
        return True


PLAYERS: Final = ("paplay", "aplay")
"""PulseAudio or PipeWire first: it mixes, ALSA may be taken by somebody else."""

SAMPLE_RATE_HZ: Final = 22_050
_PEAK: Final = 0.9

TONES_HZ: Final[dict[Tone, tuple[tuple[float, float], ...]]] = {
    # Two tones around 800 Hz in turn: old ears lose the high notes first, and a change is
    # noticed where a steady tone is not (IEC 60601-1-8 asks for 150 to 1,000 Hz).
    Tone.ALARM: ((660.0, 0.35), (880.0, 0.35)) * 2,
    # Three falling notes and a pause: cannot be taken for an alarm.
    Tone.SYSTEM_DOWN: ((520.0, 0.25), (390.0, 0.25), (260.0, 0.5), (0.0, 1.0)),
    Tone.TEST: ((660.0, 0.3), (0.0, 0.2)),
}
"""Notes as (Hz, seconds); 0 Hz is a rest."""


class SpeakerSiren:
    """Plays a tone through the machine's loudspeaker, if it has one.

    Parameters
    ----------
    player
        The program that plays a WAV file; default whatever of `PLAYERS` is installed. Without
        one the siren says so once and stays silent.
    folder
        Where the tones are kept; default a temporary one.
    """

    def __init__(self, player: str | None = None, folder: Path | None = None) -> None:
        self._folder = folder
        self._player = player or next((each for each in PLAYERS if shutil.which(each)), None)
        self._playing: asyncio.subprocess.Process | None = None
        if self._player is None:
            _log.warning("no_loudspeaker", looked_for=PLAYERS)

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        if self._player is None or volume_percent <= 0:
            return
        if self._playing is not None and self._playing.returncode is None:
            return
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="wardlight-siren-"))
            path = self._folder / f"{tone.value}-{volume_percent}.wav"
            if not path.exists():
                write_tone(path, tone, volume_percent)
            self._playing = await asyncio.create_subprocess_exec(
                self._player,
                str(path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            _log.error("loudspeaker_failed", player=self._player, reason=str(error))
            self._player = None

    async def quiet(self) -> None:
        playing, self._playing = self._playing, None
        if playing is not None:
            if playing.returncode is None:
                playing.terminate()
            await playing.wait()


def write_tone(path: Path, tone: Tone, volume_percent: int) -> None:
    """Write one round of a tone as a WAV file, 16 bit mono.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    amplitude = _PEAK * 32_767 * min(max(volume_percent, 0), 100) / 100
    samples: list[int] = []
    for frequency_hz, seconds in TONES_HZ[tone]:
        for index in range(round(seconds * SAMPLE_RATE_HZ)):
            phase = 2 * math.pi * frequency_hz * index / SAMPLE_RATE_HZ
            samples.append(round(amplitude * math.sin(phase)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def combined_siren(*sirens: Siren) -> Siren:
    """Several sirens as one."""
    return _CombinedSiren(sirens)


class _CombinedSiren:
    def __init__(self, sirens: Sequence[Siren]) -> None:
        self._sirens = sirens

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        # Together: a broker that hangs must not keep the loudspeaker silent.
        await asyncio.gather(*(each.sound(tone, reason, volume_percent) for each in self._sirens))

    async def quiet(self) -> None:
        await asyncio.gather(*(each.quiet() for each in self._sirens))
