"""What the board's template is given: texts in the page's language, ready to be escaped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Age(NamedTuple):
    """A moment that the page counts from, or towards."""

    at_us: int
    text: str
    """What it says before the page's script counts on."""


class Countdown(NamedTuple):
    """A moment to come, with the sentence around the time that is left."""

    at_us: int
    text: str
    form: str
    """The sentence with ``{time}`` in the place of what is left."""


class TimelineLine(NamedTuple):
    """One line of what happened."""

    time: str
    text: str


class Choice(NamedTuple):
    """One of several buttons."""

    value: str
    text: str
    more: str = ""
    """In small letters."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One incident as it is shown. Texts are plain: the template escapes them."""

    id: str
    state: str
    priority: str
    priority_text: str
    kind: str
    what: str
    bed: str
    who: str
    since: Age
    at: str
    """Clock time of the happening."""
    zone: str | None
    heard: Age | None
    why: tuple[str, ...]
    excused: str | None
    """A carer is with her, as far as is known."""
    state_text: str
    state_since: Age | None
    called: str | None
    next_call: Countdown | None
    action: str | None
    sounds: bool
    """The board itself sounds for this one."""
    timeline: tuple[TimelineLine, ...]
    closed: str | None = None
    """For a resolved one: outcome and note."""


@dataclass(frozen=True, kw_only=True)
class FaultCard:
    """One fault."""

    what: str
    to_do: str
    person: str
    """Bed and name; empty for a fault of no resident's."""
    thing: str
    """Gateway and wearable, for the technician."""
    detail: str | None
    since: Age
    id: int = 0
    exchange: str | None = None
    """For two wearables that seem to be swapped: what one tap would do."""


@dataclass(frozen=True, kw_only=True)
class CheckCard:
    """Beds without cover, for somebody to look after."""

    id: str
    beds: str
    why: str
    """Since when and for what cause they are not being monitored."""
    last: str | None
    """Who looked last."""
    overdue: bool
    due: Countdown
    absences: tuple[AbsenceLine, ...] = ()
    """Who should be back: then their buttons stand in the place of the task's own."""


@dataclass(frozen=True, kw_only=True)
class AbsenceLine:
    """That a wearable is off or away, on its wearer's tile and in the task when it is over."""

    id: str
    kind: str
    bed: str
    text: str
    """What, and until when."""
    ask: str
    """What is asked when it is over."""
    over: bool
    left: Countdown
    by: str
    ends: tuple[Choice, ...]
    """Other ends to choose: microseconds since 1970, and what the button says."""


@dataclass(frozen=True, kw_only=True)
class ResidentTile:
    """One resident in the strip."""

    id: str
    bed: str
    name: str
    state: str
    state_text: str
    place: str | None
    """Where she was last, which is not where her bed is; None in a home without a plan."""
    seen: Age | None
    heard: Age | None
    absence: AbsenceLine | None
    may_be_absent: bool
    """There is a wearable that can be off or away."""


@dataclass(frozen=True, kw_only=True)
class ServiceLine:
    """One gateway or service."""

    name: str
    role: str
    online: bool
    state_text: str
    heard: Age | None
    uncovered: str | None


@dataclass(frozen=True, kw_only=True)
class BoardPage:
    """Everything that the board's template needs."""

    alerts: tuple[Card, ...]
    watching: tuple[Card, ...]
    recent: tuple[Card, ...]
    checks: tuple[CheckCard, ...]
    faults: tuple[FaultCard, ...]
    floors: tuple[tuple[str, tuple[ResidentTile, ...]], ...]
    services: tuple[ServiceLine, ...]
    alerts_down: bool
    """The alert service is not heard: an empty board says nothing then."""
    all_quiet: bool
    """Nothing is open, nothing is in the making, and everything is being watched."""
    quiet_text: str
    """What is said where no alert is open."""
    title: str
    time: str
    at_us: int
    outcomes: tuple[Choice, ...] = field(default=())
    absences: tuple[Choice, ...] = field(default=())
    """What a tile's buttons say: kinds, with how long each is."""

    @property
    def sounding(self) -> tuple[str, ...]:
        """Incidents that the board sounds for."""
        return tuple(card.id for card in self.alerts if card.sounds)
