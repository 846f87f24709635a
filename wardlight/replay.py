"""``wardlight replay``: recorded trials, or the capture of a gateway (`wardlight.record`), through
the very code that runs in a home.

Speed 0 runs on a virtual clock with the broker in memory: as fast as the machine can, and
the same events to the byte in every run. Any other speed runs on a clock that is so many
times faster than the wall's; with ``--config`` against the running services of a home.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import structlog

from contract import topics, wire
from contract.clock import Clock, ScaledClock, VirtualClock
from contract.events import Event
from contract.ids import IdSource, UuidSource, seeded_ids
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig
from contract.protocols import Bus, Message, Recording
from contract.units import US_PER_S, ns_to_us, seconds_to_ns, us_to_datetime
from edge import Gateway, LogSiren
from edge.outbox import EventOutbox
from firmware_sim import ParquetRecording, ReplayRadio, Transport
from firmware_sim.capture import Capture, is_capture
from messaging import LocalBroker, LocalBus
from wardlight.credentials import ENGINEER
from wardlight.machine import boot_id
from wardlight.players import CapturedGateway, Player, Trials
from wardlight.running import Parts, background, running_home
from wardlight.scratch import scratch_folder
from wardlight.services import bus_of
from wardlight.settings import GatewayEntry, HomeSettings, Settings
from wardlight.settings_devices import ResidentSettings

_log = structlog.get_logger(__name__)

GATEWAY: Final = "replay"
"""Name of the gateway that hears the recording."""

SETTLE_S: Final = 5.0
"""After the last trial: time for the detectors' last word on it."""

HAND_OVER_S: Final = 5.0
"""Of the wall's time, however fast the clock runs: so long the receipts of what was said last are
waited for, as a round trip takes the same at any speed."""

HAND_OVER_LOOK_S: Final = 0.5
"""Between two looks whether they have come, of the clock's time."""


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What the command line asks for."""

    recording: Recording | Capture
    speed: float
    transport: Transport
    """How trials are heard; a capture's wearables are heard as they were."""
    seed: int
    as_json: bool
    resident: str | None = None
    """Against a running home: whose wearable plays trials; default the first of each placement."""


class ReplayError(ValueError):
    """What was asked for cannot be played; the message says what would be right."""


def open_recording(path: Path, trial: str | None = None) -> Recording | Capture:
    """A capture's folder (it holds a ``scene.yaml``), or trials in parquet.

    Raises
    ------
    RecordingError
        If it is neither, or cannot be read.
    ReplayError
        If a trial of a capture is asked for.
    """
    if not is_capture(path):
        return ParquetRecording(path, trial)
    if trial is not None:
        raise ReplayError(f"{path} is a capture, which has no trials: leave out --trial")
    return Capture(path)


class _Listener:
    """Prints each event once, however often it is resent."""

    def __init__(self, player: Player, out: TextIO, *, as_json: bool):
        self._seen: set[str] = set()
        self._player = player
        self._devices = {wearable.device for wearable in player.wearables}
        self._out = out
        self._as_json = as_json

    async def on_messages(self, messages: Sequence[Message]) -> None:
        for message in messages:
            event = wire.decode(message.payload, Event)
            if event.id in self._seen or event.device not in self._devices:
                continue
            self._seen.add(event.id)
            line = message.payload.decode() if self._as_json else self._line(event)
            self._out.write(line + "\n")
            self._out.flush()

    def _line(self, event: Event) -> str:
        delay_s = (event.emitted_at_us - event.at_us) / US_PER_S
        score = event.evidence.score if event.evidence else None
        words = [f"{event.kind:<16}", self._player.place(event.at_us)]
        words += [f"said {delay_s:.2f} s later"]
        words += [f"score {score:.3f}"] if score is not None else []
        words += [f"{event.cause}: {event.detail}"] if event.cause else []
        return "  ".join(words)


def replay(options: ReplayOptions, settings: Settings | None, out: TextIO = sys.stdout) -> None:
    """Play the recording and print what the gateway says of it.

    Parameters
    ----------
    options
        What to play and how.
    settings
        Of a running home, to play to it; none for a home in this process.
    out
        Where the events go, a line each.

    Raises
    ------
    ReplayError
        If the home has nobody who could wear what was recorded.
    """
    if options.speed == 0:
        virtual = _virtual_clock(options.recording)
        ids = seeded_ids(virtual, options.seed)
        virtual.run(_in_process(options, virtual, ids, f"boot-{options.seed}", out))
        return
    clock = ScaledClock(options.speed)
    source = UuidSource(clock)
    if settings is None:
        asyncio.run(_in_process(options, clock, source, boot_id(), out))
    else:
        asyncio.run(_to_running(options, clock, source, settings, out))


def _virtual_clock(recording: Recording | Capture) -> VirtualClock:
    """A capture is played at the hour at which it was made."""
    if not isinstance(recording, Capture):
        return VirtualClock()
    recorded = recording.scene.clock
    start_us = ns_to_us(recorded.wall_ns) // US_PER_S * US_PER_S
    return VirtualClock(us_to_datetime(start_us), synced=recorded.synced)


async def _in_process(
    options: ReplayOptions, clock: Clock, ids: IdSource, boot: str, out: TextIO
) -> None:
    """A whole home of its own, with a resident for each wearable that was recorded."""
    broker = LocalBroker()
    recording = options.recording
    player: Player
    if isinstance(recording, Capture):
        # What the other gateways said decides what this one leaves to them.
        player = CapturedGateway(recording, clock, broker.publish)
        settings = _home_of_capture(recording)
    else:
        player = Trials(
            ReplayRadio(recording.trials(), clock, transport=options.transport, seed=options.seed)
        )
        settings = _home_of(player.wearables)
    gateway = settings.gateways[0].name

    def bus(client_id: str) -> Bus:
        return LocalBus(broker, client_id, clock)

    with scratch_folder("wardlight-") as folder:
        parts = Parts(
            clock=clock,
            ids=ids,
            folder=Path(folder),
            bus=bus,
            siren=lambda _name, _bus: LogSiren(),
            radios={gateway: lambda: player.radio},
            boot=boot,
        )
        async with AsyncExitStack() as stack:
            listener = _Listener(player, out, as_json=options.as_json)
            listening = bus("replay-watch").run(_filters(settings, gateway), listener.on_messages)
            await stack.enter_async_context(background(listening))
            home = await stack.enter_async_context(running_home(settings, parts))
            await _play(options, player, clock, out, lambda: home.gateways[gateway])


async def _to_running(
    options: ReplayOptions, clock: Clock, ids: IdSource, settings: Settings, out: TextIO
) -> None:
    """A gateway in this process that talks to the services of a running home."""
    player = _player_for(options, clock, settings)
    listener = _Listener(player, out, as_json=options.as_json)
    watch = bus_of(settings, "replay-watch", clock, ENGINEER)
    with tempfile.TemporaryDirectory(prefix="wardlight-") as folder:
        gateway = Gateway(
            home=settings.home.id,
            name=GATEWAY,
            folder=Path(folder),
            clock=clock,
            ids=ids,
            radio=player.radio,
            bus=bus_of(settings, GATEWAY, clock, ENGINEER),
            siren=LogSiren(),
            boot=boot_id(),
            session=ids.new(),
            config=GatewayConfig(
                schema=MESSAGE_SCHEMA,
                home=settings.home.id,
                revision=0,
                wearables=list(player.wearables),
            ),
        )
        async with background(
            watch.run(_filters(settings, GATEWAY), listener.on_messages), gateway.run()
        ):
            await _play(options, player, clock, out, lambda: gateway)


def _player_for(options: ReplayOptions, clock: Clock, settings: Settings) -> Player:
    """The recording on wearables that a running home knows.

    Raises
    ------
    ReplayError
        If it does not know them.
    """
    recording = options.recording
    if isinstance(recording, Capture):
        _check_known(recording, settings, options)
        return CapturedGateway(recording, clock)
    streams = list(recording.trials())
    wearers = _wearers(settings, {stream.placement for stream in streams}, options)
    return Trials(
        ReplayRadio(
            streams, clock, transport=options.transport, wearables=wearers, seed=options.seed
        )
    )


def _filters(settings: Settings, gateway: str) -> list[str]:
    return [topics.event_topic(settings.home.id, gateway, topics.ANY)]


async def _play(
    options: ReplayOptions,
    player: Player,
    clock: Clock,
    out: TextIO,
    gateway: Callable[[], Gateway],
) -> None:
    await player.play()
    await clock.sleep(SETTLE_S)
    await _handed_over(gateway().outbox, clock, options.speed)
    if not options.as_json:
        out.write(player.summary() + "\n")


async def _handed_over(outbox: EventOutbox, clock: Clock, speed: float) -> None:
    """Wait until everything that was said has its receipts, for `HAND_OVER_S` at most."""
    until_ns = clock.monotonic_ns() + seconds_to_ns(HAND_OVER_S * speed)
    while outbox.pending and clock.monotonic_ns() < until_ns:
        await clock.sleep(HAND_OVER_LOOK_S)
    if outbox.pending:
        _log.warning("replay_not_receipted", events=len(outbox.pending))


def _home_of(wearables: Sequence[WearableConfig]) -> Settings:
    """A home with a resident for each wearable."""
    return Settings(
        home=HomeSettings(id="replay", name="Replay"),
        residents=_residents_of(wearables, "recording"),
        gateways=(GatewayEntry(name=GATEWAY, zone="recording"),),
    )


def _home_of_capture(capture: Capture) -> Settings:
    """The captured home under its own name, as far as this gateway knew it."""
    scene = capture.scene
    zone = scene.gateway.zone or "recording"
    return Settings(
        home=HomeSettings(id=scene.home, name="Replay", time_zone=scene.time_zone),
        residents=_residents_of([wearable.config() for wearable in scene.wearables], zone),
        gateways=(GatewayEntry(name=scene.gateway.name, zone=zone),),
    )


def _residents_of(wearables: Sequence[WearableConfig], zone: str) -> tuple[ResidentSettings, ...]:
    return tuple(
        ResidentSettings(
            id=wearable.resident or wearable.device,
            name=f"Recorded at the {wearable.placement}",
            bed=wearable.bed or wearable.device,
            zone=zone,
            device=wearable.device,
            address=wearable.address,
            identity=wearable.identity,
            placement=wearable.placement,
            streaming=wearable.streaming,
        )
        for wearable in wearables
    )


def _check_known(capture: Capture, settings: Settings, options: ReplayOptions) -> None:
    """Refuse a capture of people whom a running home does not know.

    Raises
    ------
    ReplayError
        Naming what is missing.
    """
    if options.resident is not None:
        raise ReplayError("a capture says itself who wore what: leave out --resident")
    known = {(one.device, one.address, one.identity, one.id) for one in settings.residents}
    strangers = [
        wearable.device
        for wearable in capture.scene.wearables
        if (wearable.device, wearable.address, wearable.identity, wearable.resident) not in known
    ]
    if strangers:
        raise ReplayError(
            f"the settings do not know {', '.join(strangers)} with the resident, address and "
            f"identity of {capture.folder / 'scene.yaml'}"
        )


def _wearers(
    settings: Settings, placements: set[str], options: ReplayOptions
) -> list[WearableConfig]:
    """For each placement the wearable of a resident of the running home.

    Raises
    ------
    ReplayError
        If there is none.
    """
    found = []
    for placement in sorted(placements):
        resident = next(
            (
                one
                for one in settings.residents
                if one.placement == placement and options.resident in (None, one.id)
            ),
            None,
        )
        if resident is None or None in (resident.device, resident.address, resident.identity):
            who = f"resident {options.resident!r}" if options.resident else "nobody"
            raise ReplayError(f"{who} in the settings wears a wearable at the {placement}")
        assert resident.device is not None
        assert resident.address is not None
        assert resident.identity is not None
        found.append(
            WearableConfig(
                device=resident.device,
                address=resident.address,
                identity=resident.identity,
                resident=resident.id,
                bed=resident.bed,
                zone=resident.zone,
                placement=placement,
                streaming=options.transport == "stream",
            )
        )
    return found
