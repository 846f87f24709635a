"""``wardlight replay``: recorded trials through the very code that runs in a home.

Speed 0 runs on a virtual clock with the broker in memory: as fast as the machine can, and
the same events to the byte in every run. Any other speed runs on a clock that is so many
times faster than the wall's; with ``--config`` against the running services of a home.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from contract import topics, wire
from contract.clock import Clock, ScaledClock, VirtualClock
from contract.events import Event
from contract.ids import IdSource, UuidSource, seeded_ids
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig
from contract.protocols import Bus, Message, Recording
from contract.units import US_PER_S
from edge import Gateway, LogSiren
from firmware_sim import ReplayRadio, ScheduledTrial, Transport
from messaging import LocalBroker, LocalBus
from wardlight.machine import boot_id
from wardlight.running import Parts, background, running_home
from wardlight.services import bus_of
from wardlight.settings import GatewayEntry, HomeSettings, ResidentSettings, Settings

GATEWAY: Final = "replay"
"""Name of the gateway that hears the recording."""

SETTLE_S: Final = 5.0
"""After the last trial: time for the last event's receipts, far above a round trip."""


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What the command line asks for."""

    recording: Recording
    speed: float
    transport: Transport
    seed: int
    as_json: bool
    resident: str | None = None
    """Against a running home: whose wearable plays; default the first of each placement."""


class ReplayError(ValueError):
    """What was asked for cannot be played; the message says what would be right."""


class _Listener:
    """Prints each event once, however often it is resent."""

    def __init__(self, radio: ReplayRadio, devices: set[str], out: TextIO, *, as_json: bool):
        self._seen: set[str] = set()
        self._radio = radio
        self._devices = devices
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
        played = self._trial_at(event.at_us)
        where = "between trials"
        if played is not None:
            at_s = (event.at_us - played.start_us) / US_PER_S
            where = f"{played.stream.trial}  at {at_s:.2f} s"
        delay_s = (event.emitted_at_us - event.at_us) / US_PER_S
        score = event.evidence.score if event.evidence else None
        words = [f"{event.kind:<16}", where, f"said {delay_s:.2f} s later"]
        words += [f"score {score:.3f}"] if score is not None else []
        words += [f"{event.cause}: {event.detail}"] if event.cause else []
        return "  ".join(words)

    def _trial_at(self, at_us: int) -> ScheduledTrial | None:
        return next(
            (t for t in reversed(self._radio.schedule) if t.start_us <= at_us < t.until_us), None
        )


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
        virtual = VirtualClock()
        ids = seeded_ids(virtual, options.seed)
        virtual.run(_in_process(options, virtual, ids, f"boot-{options.seed}", out))
        return
    clock = ScaledClock(options.speed)
    source = UuidSource(clock)
    if settings is None:
        asyncio.run(_in_process(options, clock, source, boot_id(), out))
    else:
        asyncio.run(_to_running(options, clock, source, settings, out))


async def _in_process(
    options: ReplayOptions, clock: Clock, ids: IdSource, boot: str, out: TextIO
) -> None:
    """A whole home of its own, with a resident for each placement that was recorded."""
    broker = LocalBroker()
    radio = ReplayRadio(
        options.recording.trials(), clock, transport=options.transport, seed=options.seed
    )
    settings = _home_of(radio.wearables)

    def bus(client_id: str) -> Bus:
        return LocalBus(broker, client_id, clock)

    with tempfile.TemporaryDirectory(prefix="wardlight-") as folder:
        parts = Parts(
            clock=clock,
            ids=ids,
            folder=Path(folder),
            bus=bus,
            siren=lambda _name, _bus: LogSiren(),
            radios={GATEWAY: lambda: radio},
            boot=boot,
        )
        async with AsyncExitStack() as stack:
            listener = _listener(options, radio, out)
            listening = bus("replay-watch").run(_filters(settings), listener.on_messages)
            await stack.enter_async_context(background(listening))
            await stack.enter_async_context(running_home(settings, parts))
            await _play(options, radio, clock, out)


async def _to_running(
    options: ReplayOptions, clock: Clock, ids: IdSource, settings: Settings, out: TextIO
) -> None:
    """A gateway in this process that talks to the services of a running home."""
    streams = list(options.recording.trials())
    wearers = _wearers(settings, {stream.placement for stream in streams}, options)
    radio = ReplayRadio(
        streams, clock, transport=options.transport, wearables=wearers, seed=options.seed
    )
    listener = _listener(options, radio, out)
    watch = bus_of(settings, "replay-watch", clock)
    with tempfile.TemporaryDirectory(prefix="wardlight-") as folder:
        gateway = Gateway(
            home=settings.home.id,
            name=GATEWAY,
            folder=Path(folder),
            clock=clock,
            ids=ids,
            radio=radio,
            bus=bus_of(settings, GATEWAY, clock),
            siren=LogSiren(),
            boot=boot_id(),
            session=ids.new(),
            config=GatewayConfig(
                schema=MESSAGE_SCHEMA, home=settings.home.id, revision=0, wearables=wearers
            ),
        )
        async with background(watch.run(_filters(settings), listener.on_messages), gateway.run()):
            await _play(options, radio, clock, out)


def _listener(options: ReplayOptions, radio: ReplayRadio, out: TextIO) -> _Listener:
    devices = {wearable.device for wearable in radio.wearables}
    return _Listener(radio, devices, out, as_json=options.as_json)


def _filters(settings: Settings) -> list[str]:
    return [topics.event_topic(settings.home.id, GATEWAY, topics.ANY)]


async def _play(options: ReplayOptions, radio: ReplayRadio, clock: Clock, out: TextIO) -> None:
    async with background(radio.run()):
        await radio.finished()
        await clock.sleep(SETTLE_S)
    if not options.as_json:
        played = len(radio.schedule)
        out.write(f"{played} {'trial' if played == 1 else 'trials'} played.\n")


def _home_of(wearables: Sequence[WearableConfig]) -> Settings:
    """A home with a resident for each wearable."""
    residents = tuple(
        ResidentSettings(
            id=wearable.resident or wearable.device,
            name=f"Recorded at the {wearable.placement}",
            bed=wearable.bed or wearable.device,
            zone="recording",
            device=wearable.device,
            address=wearable.address,
            identity=wearable.identity,
            placement=wearable.placement,
            streaming=wearable.streaming,
        )
        for wearable in wearables
    )
    return Settings(
        home=HomeSettings(id="replay", name="Replay"),
        residents=residents,
        gateways=(GatewayEntry(name=GATEWAY, zone="recording"),),
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
