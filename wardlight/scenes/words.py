"""The words of the scene language: one table each for what can be declared, can happen and can
be expected. The reader, the JSON Schema, the Python timeline and the documentation follow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from alerts import ResolutionOutcome, StaffRole
from contract.events import EventKind, FaultCause
from contract.gatt import VibratePattern
from contract.messages import IncidentState
from contract.whereabouts import ZoneUse
from edge import Tone
from firmware_sim.broken import Breakage
from firmware_sim.residents import AFTERMATHS

ANY: Final = "any"
ANYONE: Final = "anyone"
EVERYONE: Final = "everyone"
BROKER: Final = "broker"
SERVICES: Final = ("ingest", "alerts")
"""Beside these, every gateway is a service that can be stopped, and so can the broker."""
QUIET: Final = "quiet"


class Sort(StrEnum):
    """What may stand in a place."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole number"
    FLAG = "true or false"
    TRUE = "true"
    CHOICE = "one of a list"
    RESIDENT = "name of a resident"
    PERSON = "name of a person of the staff"
    PEOPLE = "name, post or role of staff, or anyone"
    GATEWAY = "name of a gateway"
    SERVICE = "name of a service"
    ROOM = "name of a room"
    ROOMS = "list of rooms"
    RESIDENTS = "list of residents, or everyone"
    POINT = "list of two numbers, metres east and north"
    WINDOW = "list of two numbers, seconds from and to; or one number, seconds at most"
    MOMENT = "date and time with time zone"
    FILE = "path of a recording"


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One place in a scene where a value may stand."""

    name: str
    sort: Sort
    says: str
    choices: tuple[str, ...] = ()
    required: bool = False
    default: Any = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Word:
    """A verb of ``happens`` or ``expect``: what it is said of, and what may be said beside."""

    subject: Slot
    options: tuple[Slot, ...] = ()
    never: bool = False
    """It says that something does not happen."""

    @property
    def name(self) -> str:
        """As it is written."""
        return self.subject.name

    def option(self, name: str) -> Slot | None:
        """The option called so."""
        return next((slot for slot in self.options if slot.name == name), None)


def _slot(name: str, sort: Sort, says: str, **more: Any) -> Slot:
    return Slot(name=name, sort=sort, says=says, **more)


def _resident(name: str, says: str) -> Slot:
    return _slot(name, Sort.RESIDENT, says)


def _words(*words: Word) -> Mapping[str, Word]:
    return MappingProxyType({word.name: word for word in words})


# --- what happens --------------------------------------------------------------------------

_ABOUT: Final = _resident("about", "whose alert; may be left out while there is only one")

AT: Final = _slot("at", Sort.NUMBER, "seconds on the scene's timeline", required=True, least=0.0)

HAPPENINGS: Final[Mapping[str, Word]] = _words(
    Word(
        subject=_resident("fall", "falls, beginning with the next second"),
        options=(
            _slot(
                "then",
                Sort.CHOICE,
                "what follows: lies still, struggles without walking, or gets up and walks",
                choices=AFTERMATHS,
                default="lies",
            ),
        ),
    ),
    Word(
        subject=_resident("play", "moves as a recorded trial did, then lies still"),
        options=(
            _slot(
                "recording",
                Sort.FILE,
                "parquet file or folder, as seen from the scene's file",
                required=True,
            ),
            _slot("trial", Sort.TEXT, "which trial; may be left out where there is only one"),
        ),
    ),
    Word(subject=_resident("press_button", "asks for help with the wearable's button")),
    Word(subject=_resident("help_up", "is put into a chair by somebody")),
    Word(
        subject=_resident("slide", "walks somewhere and slides to the floor there, without impact"),
        options=(_slot("room", Sort.ROOM, "where to", required=True),),
    ),
    Word(
        subject=_resident("nap", "walks somewhere and sleeps in a chair there"),
        options=(
            _slot("room", Sort.ROOM, "where to", required=True),
            _slot("minutes", Sort.NUMBER, "for how long", default=60.0, least=1.0),
        ),
    ),
    Word(
        subject=_resident("go", "walks somewhere and stands about there"),
        options=(
            _slot("room", Sort.ROOM, "where to", required=True),
            _slot("minutes", Sort.NUMBER, "for how long", default=5.0, least=0.1),
        ),
    ),
    Word(
        subject=_resident("go_out", "walks to an exit, opens its door, and is heard no more"),
        options=(_slot("room", Sort.ROOM, "which exit", required=True),),
    ),
    Word(subject=_slot("open_door", Sort.ROOM, "somebody opens its door, which falls shut")),
    Word(
        subject=_resident("sleep", "lies down where she is and sleeps on"),
        options=(
            _slot("signs", Sort.FLAG, "whether turning, breath and pulse show it", default=True),
        ),
    ),
    Word(
        subject=_resident("take_off", "puts the wearable down on a table"),
        options=(_slot("tells", Sort.FLAG, "whether the wearable itself can tell", default=True),),
    ),
    Word(
        subject=_resident("break_sensor", "has a wearable whose accelerometer breaks"),
        options=(
            _slot("how", Sort.CHOICE, "in which way", choices=tuple(Breakage), required=True),
        ),
    ),
    Word(subject=_resident("put_on", "wears the wearable again")),
    Word(subject=_resident("leave_range", "is heard by no radio from now on")),
    Word(subject=_resident("return_to_range", "is heard again")),
    Word(subject=_resident("reboot", "has a wearable that resets")),
    Word(
        subject=_resident("battery", "has a wearable with so much charge"),
        options=(
            _slot("percent", Sort.NUMBER, "charge, 0 to 100", required=True, least=0.0, most=100.0),
        ),
    ),
    Word(
        subject=_resident("corrupt", "has a wearable that sends spoilt adverts and packets"),
        options=(
            _slot("share", Sort.NUMBER, "0 (cured) to 1", required=True, least=0.0, most=1.0),
        ),
    ),
    Word(
        subject=_resident("share_address", "has a wearable whose address another one takes"),
        options=(_slot("other", Sort.RESIDENT, "whose wearable takes the address", required=True),),
    ),
    Word(subject=_slot("deafen", Sort.GATEWAY, "its radio hears nothing, and does not say so")),
    Word(subject=_slot("hear_again", Sort.GATEWAY, "its radio is cured")),
    Word(subject=_slot("stop", Sort.SERVICE, "ingest, alerts, a gateway, or the broker stops")),
    Word(subject=_slot("start", Sort.SERVICE, "it starts again, on the files that it left")),
    Word(subject=_slot("jump_clock", Sort.NUMBER, "wall time jumps by so many seconds")),
    Word(subject=_slot("clock_synced", Sort.FLAG, "whether wall time is known to be right")),
    Word(
        subject=_slot("acknowledge", Sort.PERSON, "says that she is on her way"),
        options=(_ABOUT,),
    ),
    Word(subject=_slot("arrive", Sort.PERSON, "is there"), options=(_ABOUT,)),
    Word(
        subject=_slot("resolve", Sort.PERSON, "says what it was"),
        options=(
            _ABOUT,
            _slot(
                "outcome",
                Sort.CHOICE,
                "what she found",
                choices=tuple(ResolutionOutcome),
                default=ResolutionOutcome.ASSISTED.value,
            ),
            _slot("note", Sort.TEXT, "in her words", default=""),
        ),
    ),
    Word(subject=_slot("phone_off", Sort.PERSON, "cannot be reached by phone from now on")),
    Word(subject=_slot("phone_on", Sort.PERSON, "can be reached again")),
)

# --- what is expected ------------------------------------------------------------------------

_KINDS: Final = (*EventKind, ANY)
_CAUSES: Final = (*FaultCause, ANY)

WITHIN: Final = _slot(
    "within", Sort.WINDOW, "seconds on the timeline between which it must happen", required=True
)
BETWEEN: Final = _slot(
    "between", Sort.WINDOW, "seconds on the timeline between which it must not; default always"
)
AFTER: Final = _slot(
    "after", Sort.NUMBER, "where the window counts from, seconds", default=0.0, least=0.0
)
TIMES: Final = _slot(
    "times", Sort.WHOLE, "exactly so often within the window; default once or more", least=1.0
)
_OF: Final = _resident("resident", "whom it is about")
_BY: Final = _slot("gateway", Sort.GATEWAY, "which gateway")
_SAYING: Final = _slot("saying", Sort.TEXT, "words that its sentence must hold")
_PAGED: Final = (
    _resident("about", "whom the page is about"),
    _slot("kind", Sort.CHOICE, "of the alert", choices=_KINDS),
)
_CAUSE: Final = "something is not being monitored: why"


def _pair(
    name: str, sort: Sort, says: str, options: tuple[Slot, ...], choices: tuple[str, ...] = ()
) -> tuple[Word, Word]:
    """A word, and the word that says that the same does not happen."""
    return (
        Word(
            subject=_slot(name, sort, says, choices=choices),
            options=(*options, WITHIN, AFTER, TIMES),
        ),
        Word(
            subject=_slot(f"no_{name}", sort, f"never: {says}", choices=choices),
            options=(*options, BETWEEN, AFTER),
            never=True,
        ),
    )


EXPECTATIONS: Final[Mapping[str, Word]] = _words(
    *_pair("page", Sort.PEOPLE, "somebody is told, on her phone", _PAGED),
    *_pair("alert", Sort.CHOICE, "people are called, for this", (_OF,), _KINDS),
    *_pair("event", Sort.CHOICE, "a gateway says so, paged or not", (_OF, _BY), _KINDS),
    *_pair("state", Sort.CHOICE, "an alert comes to this state", (_OF,), (*IncidentState, ANY)),
    *_pair(
        "siren",
        Sort.CHOICE,
        "a gateway's siren begins to say so",
        (_BY,),
        (*Tone, QUIET, ANY),
    ),
    *_pair("fault", Sort.CHOICE, _CAUSE, (_OF, _BY, _SAYING), _CAUSES),
    *_pair("fault_cleared", Sort.CHOICE, "the end of a fault", (_OF, _BY), _CAUSES),
    *_pair(
        "feels",
        Sort.CHOICE,
        "the wearable vibrates so",
        (_OF,),
        (*(pattern.name.lower() for pattern in VibratePattern), ANY),
    ),
    Word(
        subject=_slot("no_alarm", Sort.TRUE, "nobody is called or paged, and no siren sounds"),
        options=(_resident("about", "only alarms about her"), BETWEEN, AFTER),
        never=True,
    ),
    Word(
        subject=_slot(
            "nothing_else",
            Sort.TRUE,
            "no alert, siren or fault beside those that are expected by name",
        ),
        never=True,
    ),
)

# --- what is declared ------------------------------------------------------------------------

RESIDENT: Final = (
    _slot("bed", Sort.TEXT, "label of the bed, such as 2/F 211-A"),
    _slot("room", Sort.ROOM, "where the bed is; default the first room"),
    _slot("floor", Sort.TEXT, "as the staff call it", default="2/F"),
    _slot("streaming", Sort.FLAG, "holds a link with continuous samples", default=False),
    _slot("placement", Sort.TEXT, "where the wearable is worn", default="wrist"),
    _slot("at_risk", Sort.FLAG, "may not leave the home alone", default=False),
    _slot("safe_rooms", Sort.ROOMS, "where she may be alone; default everywhere", default=()),
    _slot("bed_exit", Sort.FLAG, "staff want to know when she leaves her bed", default=False),
)
PERSON: Final = (
    _slot("name", Sort.TEXT, "as the board shows it"),
    _slot("post", Sort.TEXT, "what people call whoever does this, such as night carer"),
    _slot(
        "role",
        Sort.CHOICE,
        "to the escalation",
        choices=tuple(StaffRole),
        default=StaffRole.CARE_WORKER.value,
    ),
    _slot("floor", Sort.TEXT, "where she works; empty: everywhere", default="2/F"),
    _slot("looks_after", Sort.RESIDENTS, "who is hers", default=()),
    _slot("phone", Sort.FLAG, "whether she can be paged on a phone", default=True),
)
ROOM: Final = (
    _slot("at", Sort.POINT, "centre on the plan; default 6 m east of the room before"),
    _slot("floor", Sort.WHOLE, "storeys above the ground", default=2, least=0.0),
    _slot("next_to", Sort.ROOMS, "where one can walk to; the way back is known", default=()),
    _slot(
        "use",
        Sort.CHOICE,
        "what it is for; the door of an exit has a contact sensor. Without any of it nobody "
        "decides by rooms",
        choices=tuple(ZoneUse),
        default=ZoneUse.OTHER.value,
    ),
)
GATEWAY: Final = (
    _slot("room", Sort.ROOM, "where it stands", required=True),
    _slot("resting", Sort.FLAG, "whether people sit or lie there for long", default=True),
)

SCENE: Final = (
    _slot("scene", Sort.TEXT, "what it is about, in a sentence", required=True),
    _slot("seed", Sort.WHOLE, "decides everything that is drawn", default=0, least=0.0),
    _slot("starts", Sort.MOMENT, "wall time at the beginning; default four at night"),
    _slot(
        "settle",
        Sort.NUMBER,
        "seconds that the home runs before the timeline begins",
        default=20.0,
        least=0.0,
    ),
    _slot(
        "lasts",
        Sort.NUMBER,
        "length of the timeline, seconds; default until the last window has closed",
        least=1.0,
    ),
)
TABLES: Final[Mapping[str, tuple[Slot, ...]]] = MappingProxyType(
    {"residents": RESIDENT, "staff": PERSON, "rooms": ROOM, "gateways": GATEWAY}
)
LISTS: Final[Mapping[str, Mapping[str, Word]]] = MappingProxyType(
    {"happens": HAPPENINGS, "expect": EXPECTATIONS}
)
