"""Plays a scene: the real services in one process, on the virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from alerts import DeskError, IncidentView, ResolutionOutcome
from contract.clock import VirtualClock
from contract.ids import seeded_ids
from contract.messages import IncidentState
from contract.protocols import Bus
from contract.units import NS_PER_S
from firmware_sim import SimulatedHome
from messaging import LocalBus
from wardlight.running import Parts, RunningHome, background, running_home
from wardlight.scenes.backstage import (
    EventTap,
    MemoryChannel,
    RememberingSiren,
    TappedBroker,
    Watcher,
)
from wardlight.scenes.cast import HOME, Cast
from wardlight.scenes.record import Line, Record, What
from wardlight.scenes.scene import Happening, Scene
from wardlight.scenes.words import BROKER
from wardlight.scratch import scratch_folder

log = structlog.get_logger(__name__)


class NotNowError(RuntimeError):
    """What the scene wants to happen cannot happen now; the message says why."""


@dataclass
class Stage:
    """A home that runs, and all that one can do to it."""

    scene: Scene
    cast: Cast
    clock: VirtualClock
    broker: TappedBroker
    channel: MemoryChannel
    simulation: SimulatedHome
    home: RunningHome
    stopped: set[str]

    def incident_for(self, happening: Happening, states: tuple[IncidentState, ...]) -> str:
        """Id of the one incident that a person can mean.

        Raises
        ------
        NotNowError
            If there is none, or more than one.
        """
        board = self.home.desk.board()
        about = happening.options.get("about")
        resident = None if about is None else self.cast.resident(about)

        def meant(incidents: list[IncidentView]) -> list[IncidentView]:
            return [
                one
                for one in incidents
                if one.state in states and resident in (None, one.resident_id)
            ]

        found = meant(board.incidents) or meant(board.watching)
        whose = "" if about is None else f" about {about}"
        if not found:
            raise NotNowError(f"there is no alert{whose} that is {_either(states)}")
        if len(found) > 1:
            names = sorted(str(self.cast.friendly(one.resident_id)) for one in found)
            raise NotNowError(f"there are {len(found)} alerts ({', '.join(names)}): say about whom")
        return found[0].id


def play_scene(scene: Scene, cast: Cast, seed: int | None = None) -> list[Line]:
    """Play a scene from its beginning to its end.

    Parameters
    ----------
    scene, cast
        What to play, and who plays it.
    seed
        In place of the scene's own.

    Returns
    -------
    list of Line
        What happened, in the order of time. The same scene and seed give the same.
    """
    clock = VirtualClock(scene.starts)
    used = scene.seed if seed is None else seed
    record = Record(clock)
    with scratch_folder("wardlight-scene-") as folder:
        clock.run(_play(cast, record, Path(folder), scene=scene, clock=clock, seed=used))
    return record.lines()


async def _play(
    cast: Cast, record: Record, folder: Path, *, scene: Scene, clock: VirtualClock, seed: int
) -> None:
    broker = TappedBroker(EventTap(record, cast))
    channel = MemoryChannel(record)
    simulation = SimulatedHome(cast.plan, clock, seed)

    def bus(client_id: str) -> Bus:
        return LocalBus(broker, client_id, clock)

    parts = Parts(
        clock=clock,
        ids=seeded_ids(clock, seed),
        folder=folder,
        bus=bus,
        siren=lambda name, _bus: RememberingSiren(record, name),
        radios={g.name: partial(simulation.radio, g.name) for g in cast.plan.gateways},
        boot=f"{HOME}-{seed}",
        channels=(channel,),
    )
    async with (
        running_home(cast.settings, parts) as home,
        background(simulation.run()),
    ):
        watcher = Watcher(record, cast, clock, home.desk, simulation)
        home.on_change(watcher.board_changed)
        stage = Stage(scene, cast, clock, broker, channel, simulation, home, set())
        async with background(watcher.run()):
            await clock.sleep(scene.settle_s)
            record.begin()
            await _perform(stage, record, watcher)
        watcher.look()
        record.end()


async def _perform(stage: Stage, record: Record, watcher: Watcher) -> None:
    """Let happen what happens, each at its time."""
    clock = stage.clock
    begin_ns = clock.monotonic_ns()

    async def until(seconds: float) -> None:
        await clock.sleep(max(0.0, seconds - (clock.monotonic_ns() - begin_ns) / NS_PER_S))

    order = sorted(enumerate(stage.scene.happens), key=lambda item: item[1].at_s)
    for number, happening in order:
        await until(happening.at_s)
        # Before and after: what was written before a jump of the wall clock is read with the
        # old wall time, and an answer is taken down as of when it was given.
        watcher.look()
        await _do(stage, number, happening, record)
        watcher.look()
    await until(stage.scene.end_s())


async def _do(stage: Stage, number: int, happening: Happening, record: Record) -> None:
    word = happening.word
    subject = "" if isinstance(happening.subject, bool) else str(happening.subject)
    try:
        if word in _TO_SERVICES:
            await _TO_SERVICES[word](stage, happening.subject)
        elif word == "play":
            resident = stage.cast.resident(happening.subject)
            stage.simulation.play(resident, stage.cast.trials[number])
        else:
            _AT_ONCE[word](stage, happening)
    except (NotNowError, DeskError, ValueError) as error:
        record.note(What.NOT_DONE, value=word, person=subject, detail=str(error))
        return
    # The simulated home says itself what became of its residents.
    if word not in _SAID_BY_HOME:
        record.note(What.DONE, value=word, person=subject)


# --- services ---------------------------------------------------------------------------------


async def _stop(stage: Stage, name: str) -> None:
    if name in stage.stopped:
        raise NotNowError(f"{name} does not run")
    stage.stopped.add(name)
    if name == BROKER:
        stage.broker.stop()
    else:
        await stage.home.stop(name)


async def _start(stage: Stage, name: str) -> None:
    if name not in stage.stopped:
        raise NotNowError(f"{name} runs already")
    stage.stopped.remove(name)
    if name == BROKER:
        stage.broker.start()
    else:
        stage.home.start(name)


_TO_SERVICES: Final = {"stop": _stop, "start": _start}

# --- everything else: a table of what to call --------------------------------------------------


def _to_resident(method: str, *options: str, **fixed: object) -> Callable[[Stage, Happening], None]:
    def do(stage: Stage, happening: Happening) -> None:
        resident = stage.cast.resident(happening.subject)
        values = [happening.options[name] for name in options]
        getattr(stage.simulation, method)(resident, *values, **fixed)

    return do


def _to_room(method: str, *options: str) -> Callable[[Stage, Happening], None]:
    def do(stage: Stage, happening: Happening) -> None:
        resident = stage.cast.resident(happening.subject)
        values = [happening.options[name] for name in options]
        getattr(stage.simulation, method)(
            resident, stage.cast.room(happening.options["room"]), *values
        )

    return do


def _fall(stage: Stage, happening: Happening) -> None:
    resident = stage.cast.resident(happening.subject)
    stage.simulation.fall(resident, then=happening.options["then"])


def _share_address(stage: Stage, happening: Happening) -> None:
    owner, other = happening.subject, happening.options["other"]
    stage.simulation.share_address(stage.cast.resident(owner), stage.cast.resident(other))


def _hearing(hears: bool) -> Callable[[Stage, Happening], None]:
    return lambda stage, said: stage.simulation.set_radio_hearing(said.subject, hears)


def _phone(on: bool) -> Callable[[Stage, Happening], None]:
    def do(stage: Stage, happening: Happening) -> None:
        person = stage.cast.person(happening.subject)
        (stage.channel.off.discard if on else stage.channel.off.add)(person)

    return do


_UNANSWERED: Final = (IncidentState.UNPAGED, IncidentState.OPEN)
_ON_THE_WAY: Final = (*_UNANSWERED, IncidentState.ACKNOWLEDGED)
_ANSWERED: Final = (IncidentState.ACKNOWLEDGED, IncidentState.ARRIVED)


def _acknowledge(stage: Stage, said: Happening) -> None:
    incident = stage.incident_for(said, _UNANSWERED)
    stage.home.desk.acknowledge(incident, stage.cast.person(said.subject))


def _arrive(stage: Stage, said: Happening) -> None:
    incident = stage.incident_for(said, _ON_THE_WAY)
    stage.home.desk.arrive(incident, stage.cast.person(said.subject))


def _resolve(stage: Stage, said: Happening) -> None:
    incident = stage.incident_for(said, _ANSWERED)
    stage.home.desk.resolve(
        incident,
        stage.cast.person(said.subject),
        ResolutionOutcome(said.options["outcome"]),
        said.options["note"],
    )


_AT_ONCE: Final[Mapping[str, Callable[[Stage, Happening], None]]] = {
    "fall": _fall,
    "press_button": _to_resident("press_button"),
    "help_up": _to_resident("help_up"),
    "slide": _to_room("slide"),
    "nap": _to_room("nap", "minutes"),
    "go": _to_room("go", "minutes"),
    "go_out": _to_room("go_out"),
    "open_door": lambda stage, said: stage.simulation.open_door(stage.cast.room(said.subject)),
    "sleep": lambda stage, said: stage.simulation.sleep(
        stage.cast.resident(said.subject), signs=said.options["signs"]
    ),
    "take_off": lambda stage, said: stage.simulation.set_worn(
        stage.cast.resident(said.subject), worn=False, tells=said.options["tells"]
    ),
    "break_sensor": _to_resident("break_sensor", "how"),
    "put_on": _to_resident("set_worn", worn=True),
    "leave_range": _to_resident("set_heard", heard=False),
    "return_to_range": _to_resident("set_heard", heard=True),
    "reboot": _to_resident("reboot"),
    "battery": _to_resident("set_battery", "percent"),
    "corrupt": _to_resident("corrupt", "share"),
    "share_address": _share_address,
    "deafen": _hearing(hears=False),
    "hear_again": _hearing(hears=True),
    "jump_clock": lambda stage, said: stage.clock.jump_wall(said.subject),
    "clock_synced": lambda stage, said: stage.clock.set_synced(said.subject),
    "acknowledge": _acknowledge,
    "arrive": _arrive,
    "resolve": _resolve,
    "phone_off": _phone(on=False),
    "phone_on": _phone(on=True),
}

_SAID_BY_HOME: Final = frozenset(
    {
        "fall",
        "play",
        "press_button",
        "help_up",
        "slide",
        "nap",
        "go",
        "go_out",
        "sleep",
        "take_off",
        "put_on",
        "leave_range",
        "return_to_range",
        "reboot",
    }
)


def _either(states: tuple[IncidentState, ...]) -> str:
    return " or ".join(states)
