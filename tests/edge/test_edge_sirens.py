"""What makes itself heard: sounders, loudspeaker and pin; and what happens when one cannot."""

from __future__ import annotations

import asyncio
import io
import itertools
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from contract import topics, wire
from contract.clock import SystemClock
from contract.events import EventKind, FaultCause
from contract.messages import SirenMessage, Tone
from contract.protocols import PublishRefusedError
from edge import GpioSiren, LogSiren, MqttSiren, SpeakerSiren, combined_siren
from edge.gpio_siren import HOLDS_NS, RHYTHMS
from edge.loudspeaker import SoundError, built_in, read_sound, wav_bytes
from messaging import LocalBroker, LocalBus


def player_in(folder: Path, script: str) -> str:
    player = folder / "player"
    player.write_text(f"#!/bin/sh\n{script}\n")
    player.chmod(0o755)
    return str(player)


def write_wav(path: Path, *, seconds: float = 1.0, bits: int = 16, peak: int = 20_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(bits // 8)
        file.setframerate(8_000)
        count = round(8_000 * seconds)
        values = [peak if index % 2 else -peak for index in range(count)]
        code = {8: "B", 16: "h"}[bits]
        data = [abs(value) % 256 for value in values] if bits == 8 else values
        file.writeframes(struct.pack(f"<{count}{code}", *data))
    return path


def samples_of(wav: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(wav)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


async def until(condition) -> None:
    clock = SystemClock()
    for _ in range(400):
        if condition():
            return
        await clock.sleep(0.01)
    pytest.fail("not within four seconds")


def test_sirens_together_one_fails_the_others_sound(clock):
    async def main():
        broker = LocalBroker()
        heard: list[SirenMessage] = []

        async def take(messages) -> None:
            heard.extend(wire.decode(each.payload, SirenMessage) for each in messages)

        bus, listener = LocalBus(broker, "gateway-a", clock), LocalBus(broker, "sounder", clock)
        tasks = [
            asyncio.create_task(bus.run([], take)),
            asyncio.create_task(listener.run([topics.build("demo", "gateway-a", "siren")], take)),
        ]
        await clock.sleep(0.1)
        log = LogSiren()
        siren = combined_siren(
            log, MqttSiren(bus, "demo", "gateway-a"), SpeakerSiren(player="/no/such/player")
        )
        for _ in range(11):
            await siren.sound(Tone.ALARM, "nobody comes", 80)
            await clock.sleep(1)
        assert log.sounding is Tone.ALARM
        assert [each.sounding for each in heard] == [True, True, True], "said, and said again"
        (trouble,) = siren.troubles
        assert trouble.startswith("the loudspeaker is silent: /no/such/player cannot be run")
        await siren.quiet()
        await clock.sleep(0.1)
        assert log.sounding is None
        assert not heard[-1].sounding
        broker.stop()
        await siren.sound(Tone.SYSTEM_DOWN, "silent", 80)
        assert log.sounding is Tone.SYSTEM_DOWN
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    clock.run(main())


def test_a_broker_that_hangs_keeps_no_other_siren_from_going_on(clock):
    """It answers nothing for half a minute: the very time in which a bell has to ring."""

    class Hanging:
        connected = True

        async def publish(self, topic, payload, *, retain=False):
            said.append(wire.decode(payload, SirenMessage).sounding)
            await clock.sleep(30)

    class Pin:
        def on(self) -> None:
            strokes.append(clock.monotonic_ns())

        def off(self) -> None: ...

        def close(self) -> None: ...

    said: list[bool] = []
    strokes: list[int] = []

    async def main():
        begun_ns = clock.monotonic_ns()
        bell = GpioSiren(17, clock, open_output=lambda *_, **__: Pin())
        log = LogSiren()
        siren = combined_siren(MqttSiren(Hanging(), "demo", "gateway-a"), log, bell)
        for _ in range(20):
            await siren.sound(Tone.ALARM, "nobody comes", 80)
            assert log.sounding is Tone.ALARM
            await clock.sleep(0.99)
        assert len(strokes) == 20, "one each second"
        await siren.quiet()
        assert log.sounding is None
        await clock.sleep(10.2)
        assert len(strokes) == 20
        assert clock.monotonic_ns() - begun_ns == pytest.approx(30e9, abs=1e6), "nobody waited"
        await clock.sleep(31)
        assert said == [True, False], "what it was told last, once it can be told again"

    clock.run(main())


def test_a_siren_with_a_defect_keeps_no_other_from_sounding(clock):
    class Defective:
        troubles = ()

        async def sound(self, tone, reason, volume_percent):
            raise RuntimeError("a defect")

        quiet = sound

    async def main():
        log = LogSiren()
        siren = combined_siren(Defective(), log)
        await siren.sound(Tone.ALARM, "nobody comes", 80)
        await clock.sleep(0.1)
        assert log.sounding is Tone.ALARM

    clock.run(main())


def test_a_refused_siren_topic_is_a_trouble_until_it_is_taken(clock):
    class Refusing:
        connected = True
        refuses = True

        async def publish(self, topic, payload, *, retain=False):
            if self.refuses:
                raise PublishRefusedError("not authorised")

    async def main():
        bus = Refusing()
        siren = MqttSiren(bus, "demo", "gateway-a")
        await siren.sound(Tone.ALARM, "reason", 80)
        (trouble,) = siren.troubles
        assert "wardlight/v1/demo/gateway-a/siren: not authorised" in trouble
        bus.refuses = False
        await siren.sound(Tone.ALARM, "reason", 80)
        assert siren.troubles == ()

    clock.run(main())


@pytest.mark.parametrize("tone", list(Tone))
def test_a_tone_is_a_wav_file_as_loud_as_asked(tone):
    peaks = []
    for volume in (100, 50, 0):
        data = samples_of(wav_bytes(built_in(tone), volume))
        assert 0.3 < len(data) / 22_050 < 5
        peaks.append(int(np.abs(data.astype(int)).max()))
    assert peaks[0] == pytest.approx(29_490, abs=50)
    assert peaks[1] == pytest.approx(peaks[0] / 2, rel=0.01)
    assert peaks[2] == 0


def test_a_loudspeaker_plays_goes_on_and_stops(tmp_path):
    played = tmp_path / "played"
    player = player_in(
        tmp_path, f'cat "$1" > {played}.new && mv {played}.new {played}; exec sleep 60'
    )

    async def main():
        siren = SpeakerSiren(player=player)
        await siren.sound(Tone.ALARM, "reason", 50)
        await siren.sound(Tone.ALARM, "reason", 50)
        await until(played.exists)
        assert played.read_bytes() == wav_bytes(built_in(Tone.ALARM), 50)
        played.unlink()
        await siren.sound(Tone.SYSTEM_DOWN, "reason", 100)
        await until(played.exists)
        assert played.read_bytes() == wav_bytes(built_in(Tone.SYSTEM_DOWN), 100), "at once"
        await siren.quiet()
        assert siren.troubles == ()

    asyncio.run(main())


def test_a_player_that_fails_is_a_trouble_until_it_plays(tmp_path):
    broken = tmp_path / "broken"
    broken.touch()
    ran = tmp_path / "ran"
    script = f'echo x >> {ran}; test -e {broken} && echo "no such device" >&2 && exit 3; exit 0'
    player = player_in(tmp_path, script)

    def runs(count: int):
        return lambda: ran.exists() and len(ran.read_text().split()) >= count

    async def main():
        siren = SpeakerSiren(player=player)
        await siren.sound(Tone.ALARM, "reason", 100)
        await until(runs(1))
        await until(lambda: siren._playing.returncode is not None)
        await siren.sound(Tone.ALARM, "reason", 100)
        (trouble,) = siren.troubles
        assert trouble.endswith("player ended with status 3: no such device")
        await until(lambda: siren._playing.returncode is not None)
        broken.unlink()
        await siren.sound(Tone.ALARM, "reason", 100)
        await until(lambda: siren._playing.returncode is not None)
        await siren.sound(Tone.ALARM, "reason", 100)
        assert siren.troubles == ()
        await siren.quiet()

    asyncio.run(main())


def test_a_missing_loudspeaker_is_a_trouble_only_where_there_must_be_one(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert SpeakerSiren().troubles == ()
    (trouble,) = SpeakerSiren(required=True).troubles
    assert "alsa-utils" in trouble


def test_the_homes_own_sound_is_played(tmp_path):
    own = read_sound(write_wav(tmp_path / "own.wav", peak=20_000))
    assert own.rate_hz == 8_000
    assert np.abs(samples_of(wav_bytes(own, 25))).max() == 5_000


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_bytes(b"ID3 an mp3"), "no WAV file"),
        (lambda path: write_wav(path, bits=8), "make it 16"),
        (lambda path: write_wav(path, seconds=0.05), "use 0.2 to 30.0 s"),
        (lambda path: write_wav(path, seconds=31), "31.0 s long"),
        (lambda path: write_wav(path, peak=3), "nothing to be heard"),
    ],
)
def test_a_sound_that_cannot_be_used_is_a_trouble_and_the_built_in_one_plays(tmp_path, make, said):
    path = tmp_path / "own.wav"
    make(path)
    with pytest.raises(SoundError, match=said):
        read_sound(path)
    siren = SpeakerSiren(player="/bin/true", sounds={Tone.ALARM: path})
    (trouble,) = siren.troubles
    assert said in trouble
    assert trouble.endswith("the built-in tone is used for alarm")
    assert siren._sounds[Tone.ALARM].rate_hz == built_in(Tone.ALARM).rate_hz


# --- the pin ---------------------------------------------------------------------------------


@pytest.fixture
def pins():
    """gpiozero's own mock pins."""
    pytest.importorskip("gpiozero", reason="gpiozero is not installed (extra gpio)")
    from gpiozero import Device
    from gpiozero.pins.mock import MockFactory

    before, Device.pin_factory = Device.pin_factory, MockFactory()
    yield Device.pin_factory
    Device.pin_factory.reset()
    Device.pin_factory = before


async def levels(clock, pin, siren, tone: Tone) -> list[int]:
    """The pin's level ten times a second for eight, while `sound` is called once a second."""
    seen = []
    for step in range(80):
        if step % 10 == 0:
            await siren.sound(tone, "reason", 100)
        await clock.sleep(0.05)
        seen.append(int(pin.state))
        await clock.sleep(0.05)
    return seen


@pytest.mark.parametrize("tone", list(Tone))
@pytest.mark.parametrize("active_high", [True, False])
def test_a_pin_beats_the_rhythm_of_its_tone_and_stops(pins, clock, tone, active_high):
    async def main():
        siren = GpioSiren(17, clock, active_high=active_high)
        pin = pins.pin(17)
        quiet = 0 if active_high else 1
        assert int(pin.state) == quiet, "silent from the first moment on"
        seen = await levels(clock, pin, siren, tone)
        rhythm = RHYTHMS[tone]
        share = rhythm.on_s / (rhythm.on_s + rhythm.off_s)
        assert np.mean([level != quiet for level in seen]) == pytest.approx(share, abs=0.06)
        rises = sum(one == quiet != two for one, two in itertools.pairwise(seen))
        assert rises == pytest.approx(8 / (rhythm.on_s + rhythm.off_s), abs=1.5)
        await siren.quiet()
        assert int(pin.state) == quiet
        await clock.sleep(5)
        assert int(pin.state) == quiet
        assert siren.troubles == ()

    clock.run(main())


def test_a_pin_that_nobody_asks_for_any_more_falls_silent(pins, clock):
    async def main():
        siren = GpioSiren(17, clock)
        await siren.sound(Tone.ALARM, "reason", 100)
        await clock.sleep(HOLDS_NS / 1e9 + 1.1)
        for _ in range(40):
            assert not pins.pin(17).state
            await clock.sleep(0.1)

    clock.run(main())


def test_a_pin_that_is_not_there_is_a_trouble_and_is_tried_again(pins, clock):
    async def main():
        taken = GpioSiren(17, clock)
        siren = GpioSiren(17, clock)
        (trouble,) = siren.troubles
        assert trouble.startswith("the siren on pin 17 is silent: GPIOPinInUse")
        taken._let_go()
        await siren.sound(Tone.ALARM, "reason", 100)
        assert siren.troubles == ()
        await siren.quiet()

    clock.run(main())


def test_a_pin_that_breaks_while_it_sounds_ends_nothing(clock):
    class Broken:
        def on(self):
            raise OSError("chip gone")

        def off(self):
            raise OSError("chip gone")

        def close(self):
            raise OSError("chip gone")

    async def main():
        siren = GpioSiren(17, clock, open_output=lambda pin, active_high: Broken())
        await siren.sound(Tone.ALARM, "reason", 100)
        await clock.sleep(3)
        assert siren.troubles == ("the siren on pin 17 is silent: OSError: chip gone",)
        await siren.quiet()

    clock.run(main())


def test_without_gpiozero_it_is_said_what_to_install(clock):
    def missing(pin, active_high):
        raise ModuleNotFoundError("No module named 'gpiozero'", name="gpiozero")

    siren = GpioSiren(17, clock, open_output=missing)
    assert "pip install 'wardlight[gpio]'" in siren.troubles[0]


def test_a_siren_that_would_not_be_heard_is_a_fault_until_it_would(bench):
    async def main():
        async with bench.running(bench.gateway()):
            bench.siren.troubles = ("the loudspeaker is silent: no card",)
            await bench.advertise(8)
            bench.siren.troubles = ()
            await bench.advertise(8, first=108)
            raised, cleared = bench.far_end.faults(FaultCause.SIREN_SILENT)
            assert raised.kind is EventKind.FAULT
            assert raised.detail == "the loudspeaker is silent: no card"
            assert cleared.kind is EventKind.FAULT_CLEARED

    bench.clock.run(main())
