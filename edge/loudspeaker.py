"""The machine's own loudspeaker: built-in tones, or a home's own sound files.

A sound lives in memory and is handed to the player as an open file: it sounds with a full or
dead card too, and a process that is killed leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from contract.messages import Tone

_log = structlog.get_logger(__name__)

PLAYERS: Final = ("paplay", "aplay")
"""PulseAudio or PipeWire first: it mixes, ALSA may be taken by somebody else."""

SAMPLE_RATE_HZ: Final = 22_050
_PEAK: Final = 0.9
_FULL_SCALE: Final = 32_767

TONES_HZ: Final[Mapping[Tone, tuple[tuple[float, float], ...]]] = {
    # Two tones around 800 Hz in turn: old ears lose the high notes first, and a change is
    # noticed where a steady tone is not (IEC 60601-1-8 asks for 150 to 1,000 Hz).
    Tone.ALARM: ((660.0, 0.35), (880.0, 0.35)) * 2,
    # Three falling notes and a pause: cannot be taken for an alarm.
    Tone.SYSTEM_DOWN: ((520.0, 0.25), (390.0, 0.25), (260.0, 0.5), (0.0, 1.0)),
    Tone.TEST: ((660.0, 0.3), (0.0, 0.2)),
}
"""Notes as (Hz, seconds); 0 Hz is a rest."""

SHORTEST_SOUND_S: Final = 0.2
"""A shorter one is a click, and would start a player many times a second."""
LONGEST_SOUND_S: Final = 30.0
"""It is played again and again while there is a reason; what takes longer is music."""
QUIETEST_PEAK: Final = 0.05
"""Of full scale, 26 dB below it: a file that is quieter was exported wrongly, or is empty."""


class SoundError(ValueError):
    """A sound file that cannot be used; the message says what would be right."""


class Sound(NamedTuple):
    """One round of what is played."""

    rate_hz: int
    channels: int
    samples: NDArray[np.int16]
    """Interleaved."""


def built_in(tone: Tone) -> Sound:
    """One round of our own sound for `tone`, at full volume."""
    parts = []
    for frequency_hz, seconds in TONES_HZ[tone]:
        at_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        parts.append(_PEAK * _FULL_SCALE * np.sin(2 * np.pi * frequency_hz * at_s))
    return Sound(SAMPLE_RATE_HZ, 1, np.round(np.concatenate(parts)).astype(np.int16))


def read_sound(path: Path) -> Sound:
    """Read a home's own sound.

    Raises
    ------
    SoundError
        If it is no WAV file of 16 bits, is too short or too long, or cannot be heard.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, rate_hz = file.getsampwidth(), file.getframerate()
            channels, frames = file.getnchannels(), file.getnframes()
            if width != 2:
                raise SoundError(
                    f"{path}: {8 * width} bits a sample; make it 16 (sox {path.name} -b 16 new.wav)"
                )
            seconds = frames / rate_hz if rate_hz else 0.0
            if not SHORTEST_SOUND_S <= seconds <= LONGEST_SOUND_S:
                raise SoundError(
                    f"{path}: {seconds:.1f} s long; use {SHORTEST_SOUND_S} to {LONGEST_SOUND_S} s"
                )
            samples = np.frombuffer(file.readframes(frames), "<i2").astype(np.int16)
    except OSError as error:
        raise SoundError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (wave.Error, EOFError, ValueError) as error:
        if isinstance(error, SoundError):
            raise
        raise SoundError(f"{path}: no WAV file with plain samples: {error}") from error
    if not samples.size or np.abs(samples.astype(np.int32)).max() < QUIETEST_PEAK * _FULL_SCALE:
        raise SoundError(f"{path}: nothing to be heard in it")
    return Sound(rate_hz, channels, samples)


def wav_bytes(sound: Sound, volume_percent: int) -> bytes:
    """`sound` as a WAV file, at a volume of 0 to 100 % of its own."""
    share = min(max(volume_percent, 0), 100) / 100
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(sound.channels)
        file.setsampwidth(2)
        file.setframerate(sound.rate_hz)
        file.writeframes(np.round(sound.samples * share).astype("<i2").tobytes())
    return out.getvalue()


class SpeakerSiren:
    """Plays a sound through the machine's loudspeaker.

    Parameters
    ----------
    player
        The program that plays a WAV file; default whatever of `PLAYERS` is installed.
    sounds
        A home's own sounds. One that cannot be used is a trouble, and the built-in tone is
        played in its place.
    required
        Whether a missing player is a trouble, and not only a line in the log: many gateways
        have no loudspeaker and need none.
    """

    def __init__(
        self,
        player: str | None = None,
        sounds: Mapping[Tone, Path] | None = None,
        *,
        required: bool = False,
    ) -> None:
        self._player = player or next((each for each in PLAYERS if shutil.which(each)), None)
        self._sounds = {tone: built_in(tone) for tone in Tone}
        self._file_troubles: list[str] = []
        self._playing: asyncio.subprocess.Process | None = None
        self._tone: Tone | None = None
        self._loaded: tuple[Tone, int, int] | None = None
        self._failure: str | None = None
        for tone, path in (sounds or {}).items():
            try:
                self._sounds[tone] = read_sound(path)
            except SoundError as error:
                _log.error("sound_unusable", tone=tone.value, reason=str(error))
                self._file_troubles.append(f"{error}; the built-in tone is used for {tone.value}")
        if self._player is None:
            (_log.warning if required else _log.info)("no_loudspeaker", looked_for=PLAYERS)
            if required:
                self._failure = (
                    f"no loudspeaker: neither {' nor '.join(PLAYERS)} is installed (Debian: "
                    "apt-get install alsa-utils)"
                )

    @property
    def troubles(self) -> tuple[str, ...]:
        failure = () if self._failure is None else (self._failure,)
        return (*failure, *self._file_troubles)

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        if self._player is None or volume_percent <= 0:
            return
        if self._playing is not None:
            if self._playing.returncode is None and self._tone is tone:
                return
            await self._end()
        try:
            descriptor = self._load(tone, volume_percent)
            self._playing = await asyncio.create_subprocess_exec(
                self._player,
                f"/proc/self/fd/{descriptor}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(descriptor,),
            )
            self._tone = tone
        except OSError as error:
            self._fail(f"{self._player} cannot be run: {error.strerror or error}")

    async def quiet(self) -> None:
        if self._playing is not None:
            await self._end()

    def _load(self, tone: Tone, volume_percent: int) -> int:
        """A file in memory with this sound; the one before is let go."""
        if self._loaded is not None:
            if self._loaded[:2] == (tone, volume_percent):
                return self._loaded[2]
            os.close(self._loaded[2])
            self._loaded = None
        descriptor = os.memfd_create(f"wardlight-{tone.value}.wav")
        with open(descriptor, "wb", closefd=False) as file:
            file.write(wav_bytes(self._sounds[tone], volume_percent))
        self._loaded = (tone, volume_percent, descriptor)
        return descriptor

    async def _end(self) -> None:
        """Stop what is playing; notice whether it had ended by itself, and how."""
        playing, self._playing = self._playing, None
        assert playing is not None
        stopped = playing.returncode is None
        if stopped:
            playing.terminate()
        _, said = await playing.communicate()
        if stopped:
            return
        if playing.returncode == 0:
            self._failure = None
        else:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            why = f": {lines[-1]}" if lines else ""
            self._fail(f"{self._player} ended with status {playing.returncode}{why}")

    def _fail(self, why: str) -> None:
        told = f"the loudspeaker is silent: {why}"
        if told != self._failure:
            _log.error("loudspeaker_failed", player=self._player, reason=why)
        self._failure = told
