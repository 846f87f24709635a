"""Who is there, and where: as the scene says, or where it says nothing the demo's home, with
residents and staff of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contract.messages import SensorConfig
from contract.whereabouts import ZoneUse
from firmware_sim import ZonePlan, demo_home
from firmware_sim.plan import SensorPlan
from firmware_sim.room_sensors import SensorKind
from wardlight.scenes.scene import Entry, Scene, SceneError, identifier_of
from wardlight.scenes.values import nearest
from wardlight.scenes.words import EVERYONE, PERSON, RESIDENT, Slot

DEFAULT_RESIDENTS: Final = ("ada", "ben", "cara", "dora", "eric", "fay")
"""In the order of the demo home's beds; ada and dora stream over a held link."""
DEFAULT_STAFF: Final[Mapping[str, Mapping[str, Any]]] = {
    "mei": {"name": "Mei 美儀", "post": "night carer", "looks_after": EVERYONE},
    "kin": {"name": "Kin 健明", "post": "night nurse", "role": "nurse"},
    "siu": {"name": "Siu 小蓮", "post": "manager on call", "role": "manager", "floor": ""},
}
ROOM_APART_M: Final = 6.0
"""Between the centres of rooms that say nothing of where they are: those of the demo home."""


def rooms_of(scene: Scene) -> tuple[ZonePlan, ...]:
    """The zones, each with ways to and from its neighbours.

    Raises
    ------
    SceneError
        If a room is next to one that does not exist.
    """
    if not scene.rooms:
        return demo_home().zones
    ids = {
        entry.name: identifier_of(entry.name, f"room-{number}")
        for number, entry in enumerate(scene.rooms, start=1)
    }
    faults = [
        f"{entry.where}: {entry.name} is next to {name!r}, which this home does not have"
        f"{nearest(name, ids)}"
        for entry in scene.rooms
        for name in entry.values["next_to"]
        if name not in ids
    ]
    if faults:
        raise SceneError(faults)
    ways = {(entry.name, name) for entry in scene.rooms for name in entry.values["next_to"]}
    ways |= {(to, start) for start, to in ways}
    zones: list[ZonePlan] = []
    for entry in scene.rooms:
        last = zones[-1] if zones else None
        east_m = last.x_m + ROOM_APART_M if last else 0.0
        x_m, y_m = entry.values.get("at") or (east_m, last.y_m if last else 0.0)
        zones.append(
            ZonePlan(
                zone=ids[entry.name],
                x_m=x_m,
                y_m=y_m,
                floor=entry.values["floor"],
                use=ZoneUse(entry.values["use"]),
                next_to=tuple(ids[o.name] for o in scene.rooms if (entry.name, o.name) in ways),
            )
        )
    return tuple(zones)


def exit_doors(rooms: tuple[ZonePlan, ...]) -> tuple[SensorPlan, ...]:
    """A contact sensor for each exit."""
    exits = [room.zone for room in rooms if room.use is ZoneUse.EXIT]
    return tuple(
        SensorPlan(
            kind=SensorKind.DOOR,
            config=SensorConfig(
                device=f"door-{number}", address=f"A4:5C:E0:00:00:{number:02X}", zone=zone
            ),
        )
        for number, zone in enumerate(exits, start=1)
    )


def _defaults(slots: tuple[Slot, ...]) -> dict[str, Any]:
    return {slot.name: slot.default for slot in slots}


def residents_of(scene: Scene) -> tuple[Entry, ...]:
    """Who lives there."""
    if scene.residents:
        return scene.residents
    demo = demo_home()
    rooms = [entry.name for entry in scene.rooms]
    return tuple(
        Entry(
            name=name,
            values=_defaults(RESIDENT)
            | {
                "bed": wearable.bed,
                "streaming": wearable.streaming,
                "room": rooms[index % len(rooms)] if rooms else wearable.zone,
            },
        )
        for index, (name, wearable) in enumerate(
            zip(DEFAULT_RESIDENTS, demo.wearables, strict=True)
        )
    )


def staff_of(scene: Scene) -> tuple[Entry, ...]:
    """Who works there."""
    if scene.staff:
        return scene.staff
    return tuple(
        Entry(name=name, values=_defaults(PERSON) | dict(values))
        for name, values in DEFAULT_STAFF.items()
    )
