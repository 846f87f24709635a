"""From a scene to a home that can run: its plan, its settings, and who is meant by a name.

Without residents of its own a scene plays in the home of the demo, whose six residents are
called ada, ben, cara, dora, eric and fay, with mei on the night shift, kin and siu.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from contract.protocols import RecordedStream
from contract.whereabouts import WhereaboutsPolicy
from firmware_sim import (
    GatewayPlan,
    HomePlan,
    ParquetRecording,
    RecordingError,
    WearablePlan,
    ZonePlan,
    demo_home,
)
from wardlight.roster import sensors_of, whereabouts_of, zones_of
from wardlight.scenes.household import exit_doors, residents_of, rooms_of, staff_of
from wardlight.scenes.scene import Entry, Scene, SceneError, identifier_of
from wardlight.scenes.values import nearest
from wardlight.scenes.words import (
    ANYONE,
    BROKER,
    EVERYONE,
    EXPECTATIONS,
    HAPPENINGS,
    SERVICES,
    Slot,
    Sort,
    Word,
)
from wardlight.settings import GatewayEntry, HomeSettings, Settings, StaffSettings
from wardlight.settings_devices import ResidentSettings

HOME: Final = "scene"
CONTACT: Final = "memory://"
"""Contacts of a scene's staff begin so; `backstage.MemoryChannel` takes them."""


@dataclass(frozen=True)
class Person:
    """Somebody of the staff."""

    id: str
    words: frozenset[str]
    """Everything by which she may be meant, folded (`_fold`)."""
    called: str
    """As a report calls her."""


class Cast:
    """Who and what a scene speaks of; everything is checked when it is made.

    Raises
    ------
    SceneError
        If a name is spoken of that nobody has, or two would get the same identifier.
    """

    def __init__(self, scene: Scene) -> None:
        self._faults: list[str] = []
        rooms = rooms_of(scene)
        self.gateway_names = {e.name: e.name for e in scene.gateways} or {
            gateway.name: gateway.name for gateway in demo_home().gateways
        }
        if BROKER in self.gateway_names:
            self._faults.append(f"gateway {BROKER!r}: this name belongs to the broker")
        self.residents = self._identifiers(residents_of(scene), "resident")
        """Identifier by friendly name."""
        self._room_ids = self._identifiers(scene.rooms, "room") or {
            zone.zone: zone.zone for zone in rooms
        }
        self._staff_entries = staff_of(scene)
        self.staff = self._people()
        self.plan = self._plan(scene, rooms)
        self.settings = self._settings(scene)
        self._check(scene)
        self.trials = self._trials(scene)
        """For each happening that plays a recording, by its place in the scene."""
        if self._faults:
            raise SceneError(self._faults)

    # -- who is meant --------------------------------------------------------------------------

    def resident(self, name: str) -> str:
        """Identifier of a resident who was checked to exist."""
        return self.residents[name]

    def room(self, name: str) -> str:
        """Identifier of a room that was checked to exist."""
        return self._room_ids[name]

    def friendly(self, resident_id: str | None) -> str | None:
        """What the scene calls a resident."""
        for name, identifier in self.residents.items():
            if identifier == resident_id:
                return name
        return resident_id

    def person(self, name: str) -> str:
        """Identifier of the person who has this name or post."""
        (found,) = self.people(name, roles=False)
        return found

    def people(self, name: str, *, roles: bool = True) -> frozenset[str]:
        """Identifiers of all who are meant by a name, a post, a role or ``anyone``."""
        folded = _fold(name)
        if roles and folded == ANYONE:
            return frozenset(person.id for person in self.staff)
        named = frozenset(person.id for person in self.staff if folded in person.words)
        if named or not roles:
            return named
        return frozenset(p.id for p in self.settings.staff if _fold(p.role) == folded)

    def called(self, person_id: str | None) -> str | None:
        """What a report calls a person."""
        for person in self.staff:
            if person.id == person_id:
                return person.called
        return person_id

    def wearer(self, device: str | None) -> str | None:
        """Identifier of the resident who wears a device."""
        for wearable in self.plan.wearables:
            if wearable.device == device:
                return wearable.resident
        return None

    # -- making --------------------------------------------------------------------------------

    def _identifiers(self, entries: Iterable[Entry], what: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, entry in enumerate(entries, start=1):
            identifier = identifier_of(entry.name, f"{what}-{number}")
            for other, taken in found.items():
                if taken == identifier:
                    self._faults.append(
                        f"{entry.where}: {what} {entry.name!r} and {what} {other!r} both become "
                        f"{identifier!r}: call one otherwise"
                    )
            found[entry.name] = identifier
        return found

    def _people(self) -> tuple[Person, ...]:
        found = []
        for name, identifier in self._identifiers(self._staff_entries, "person").items():
            entry = next(entry for entry in self._staff_entries if entry.name == name)
            post, shown = entry.values.get("post"), entry.values.get("name")
            words = frozenset(_fold(word) for word in (name, identifier, post, shown) if word)
            found.append(Person(identifier, words, f"{name} ({post})" if post else name))
        return tuple(found)

    def _plan(self, scene: Scene, rooms: tuple[ZonePlan, ...]) -> HomePlan:
        known = {zone.zone for zone in rooms}
        demo = demo_home()
        default_rooms = not scene.rooms
        wearables = []
        for index, entry in enumerate(residents_of(scene)):
            here = demo.wearables[index % len(demo.wearables)]
            zone = self._room(entry, entry.values.get("room"), rooms)
            if entry.values.get("room") is None and default_rooms:
                zone = here.zone
            number = index + 1
            wearables.append(
                WearablePlan(
                    device=f"wearable-{number}",
                    address=f"C0:5C:E0:00:{number >> 8:02X}:{number & 0xFF:02X}",
                    identity=0x5C00_0000 + number,
                    resident=self.residents[entry.name],
                    bed=entry.values.get("bed") or f"{entry.values['floor']} bed {number}".strip(),
                    zone=zone if zone in known else rooms[0].zone,
                    placement=entry.values["placement"],
                    streaming=entry.values["streaming"],
                    whereabouts=WhereaboutsPolicy(
                        at_risk=entry.values["at_risk"],
                        safe_zones=[
                            self._room(entry, room, rooms) for room in entry.values["safe_rooms"]
                        ],
                        bed_exit=entry.values["bed_exit"],
                    ),
                )
            )
        gateways = tuple(
            GatewayPlan(
                name=entry.name,
                zone=self._room(entry, entry.values.get("room"), rooms),
                resting=entry.values["resting"],
            )
            for entry in scene.gateways
        )
        if not gateways and default_rooms:
            gateways = demo.gateways
        elif not gateways:
            gateways = (GatewayPlan(name="gateway-a", zone=rooms[0].zone),)
            self.gateway_names = {"gateway-a": "gateway-a"}
        self._stop_at_faults()
        try:
            return HomePlan(
                home=HOME,
                zones=rooms,
                wearables=tuple(wearables),
                gateways=gateways,
                sensors=exit_doors(rooms),
            )
        except ValueError as error:
            raise SceneError([f"{scene.title!r}: {error}"]) from error

    def _room(self, entry: Entry, name: str | None, rooms: tuple[ZonePlan, ...]) -> str:
        if name is None:
            return rooms[0].zone
        if name not in self._room_ids:
            self._faults.append(
                f"{entry.where}: {entry.name} is in room {name!r}, which this home does not have"
                f"{nearest(name, self._room_ids)}"
            )
            return rooms[0].zone
        return self._room_ids[name]

    def _settings(self, scene: Scene) -> Settings:
        residents = tuple(
            ResidentSettings(
                id=wearable.resident,
                name=entry.name,
                bed=wearable.bed,
                zone=wearable.zone,
                floor=entry.values["floor"],
                device=wearable.device,
                address=wearable.address,
                identity=wearable.identity,
                placement=wearable.placement,
                streaming=wearable.streaming,
                whereabouts=whereabouts_of(wearable),
            )
            for wearable, entry in zip(self.plan.wearables, residents_of(scene), strict=True)
        )
        staff = tuple(
            StaffSettings(
                id=person.id,
                name=entry.values.get("name") or entry.name,
                role=entry.values["role"],
                floor=entry.values["floor"],
                contact=f"{CONTACT}{person.id}" if entry.values["phone"] else None,
                residents=self._looked_after(entry),
            )
            for person, entry in zip(self.staff, self._staff_entries, strict=True)
        )
        # Not Settings(…), which would read the environment: a scene is the same everywhere.
        return Settings.model_construct(
            home=HomeSettings(id=HOME, name=scene.title or "Scene"),
            residents=residents,
            staff=staff,
            zones=zones_of(self.plan),
            sensors=sensors_of(self.plan),
            gateways=tuple(
                GatewayEntry(name=gateway.name, zone=gateway.zone, resting=gateway.resting)
                for gateway in self.plan.gateways
            ),
        )

    def _looked_after(self, entry: Entry) -> tuple[str, ...]:
        names = entry.values["looks_after"]
        if names == EVERYONE:
            return tuple(self.residents.values())
        for name in names:
            if name not in self.residents:
                self._faults.append(
                    f"{entry.where}: {entry.name} looks after {name!r}, who does not live here"
                    f"{nearest(name, self.residents)}"
                )
        return tuple(self.residents[name] for name in names if name in self.residents)

    # -- checking ------------------------------------------------------------------------------

    def _stop_at_faults(self) -> None:
        if self._faults:
            raise SceneError(self._faults)

    def _check(self, scene: Scene) -> None:
        end_s = scene.end_s()
        for happening in scene.happens:
            self._check_said(HAPPENINGS[happening.word], happening)
            if happening.at_s > end_s:
                self._faults.append(
                    f"{happening.where}: at {happening.at_s:g} s the scene of {end_s:g} s is over"
                )
        for expectation in scene.expects:
            self._check_said(EXPECTATIONS[expectation.word], expectation)
            if expectation.until_s is not None and expectation.until_s > end_s:
                self._faults.append(
                    f"{expectation.where}: {expectation.word} waits until "
                    f"{expectation.until_s:g} s, but the scene of {end_s:g} s is over by then"
                )

    def _check_said(self, word: Word, said: Any) -> None:
        self._check_name(word.subject, said.subject, said.where)
        for name, value in said.options.items():
            slot = word.option(name)
            if slot is not None and value is not None:
                self._check_name(slot, value, said.where)

    def _check_name(self, slot: Slot, name: Any, where: str) -> None:
        known: dict[Sort, Iterable[str]] = {
            Sort.RESIDENT: self.residents,
            Sort.GATEWAY: self.gateway_names,
            Sort.ROOM: self._room_ids,
            Sort.SERVICE: (*SERVICES, BROKER, *self.gateway_names),
        }
        if slot.sort in known and name not in known[slot.sort]:
            what = slot.sort.removeprefix("name of a ")
            near = nearest(str(name), known[slot.sort])
            self._faults.append(f"{where}: {slot.name}: there is no {what} {name!r}{near}")
        if slot.sort not in (Sort.PERSON, Sort.PEOPLE):
            return
        found = self.people(name, roles=slot.sort is Sort.PEOPLE)
        if not found:
            words = sorted(word for person in self.staff for word in person.words)
            near = nearest(_fold(name), words)
            self._faults.append(f"{where}: {slot.name}: nobody here is {name!r}{near}")
        elif slot.sort is Sort.PERSON and len(found) > 1:
            self._faults.append(f"{where}: {slot.name}: {name!r} are several; say which")

    def _trials(self, scene: Scene) -> dict[int, RecordedStream]:
        found = {}
        for number, happening in enumerate(scene.happens):
            if happening.word != "play":
                continue
            recording = happening.options.get("recording")
            if isinstance(recording, RecordedStream):
                found[number] = recording
                continue
            try:
                reader = ParquetRecording(
                    scene.folder / str(recording), happening.options.get("trial")
                )
                if len(reader.names) != 1:
                    raise RecordingError(f"{recording} holds {len(reader.names)} trials: say which")
                (found[number],) = reader.trials()
            except (RecordingError, ModuleNotFoundError) as error:
                self._faults.append(f"{happening.where}: play: {error}")
        return found


def _fold(word: str) -> str:
    return word.casefold().replace("_", " ").replace("-", " ").strip()
