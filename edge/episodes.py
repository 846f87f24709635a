"""Which of several gateways tells what all of them have found: the lead, once, and its successor.

Every gateway judges at every moment, so that a takeover begins warm and loses nothing: what it has
found in the last `WAITS_NS` and nobody has told is told then. Two gateways see one happening a
second or two apart; that it is the same is known by its resident, its kind and its begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from contract.events import EventKind
from contract.units import seconds_to_ns

WAITS_NS: Final = seconds_to_ns(60)
"""So long a finding that is the lead's to tell is kept. A lead that died is known to be dead after
5 s (`edge.lead.LIVE_NS`); the rest is for one that stood still first."""

TOLD_S: Final = 600
"""So long others are told what has been told. Who was away for longer takes up nothing that was
going on (`detectors.whereabouts.HOLE_S`); who was away for less must not tell it once more."""

SAME_S: Final = 120
"""Findings of one kind about one resident that begin less apart are one: gateways close a second,
hear a door and decide a place within seconds of each other, and clocks that are not synchronised
are minutes apart. Nobody is told of twice in so short a time by one gateway."""

EXCUSED: Final = ":excused"
"""After the key of what was told with a carer beside her: that she is alone later is news."""

WARM_NS: Final = seconds_to_ns(1_800)
"""A session that is younger has not seen the begin of what takes half an hour (not returned, out of
bed, visits to a door). Until then who has been there for longer stands in for it."""

GRACE_NS: Final = seconds_to_ns(10)
"""So long such a young lead has to tell what another has found: two presence messages, a receipt,
and some seconds by which their decisions differ."""

_PARTS: Final = 3
_LONGEST_MARK: Final = 128
"""A kind, an identifier, and seconds take half of it at most."""

T = TypeVar("T")


class Episode(NamedTuple):
    """One happening, as gateways tell it from others."""

    kind: EventKind
    resident: str
    begun_s: int
    """Unix seconds."""
    is_excused: bool = False

    @property
    def key(self) -> str:
        """As in `Event.key`."""
        return f"{self.kind.value}:{self.resident}:{self.begun_s}"

    @property
    def mark(self) -> str:
        """As in `Presence.told`."""
        return self.key + EXCUSED if self.is_excused else self.key

    def is_told_by(self, other: Episode) -> bool:
        """Whether whoever heard `other` knows of this. What was told as alone covers what is
        excused; not the other way round.
        """
        return (
            (self.kind, self.resident) == (other.kind, other.resident)
            and abs(self.begun_s - other.begun_s) < SAME_S
            and (self.is_excused or not other.is_excused)
        )


def read_mark(mark: str) -> Episode | None:
    """What a mark of another gateway says; None if it cannot be read, and then it hides nothing."""
    parts = mark.removesuffix(EXCUSED).split(":")
    if (
        len(mark) > _LONGEST_MARK
        or len(parts) != _PARTS
        or parts[0] not in _KINDS
        or not parts[2].isdecimal()
    ):
        return None
    return Episode(EventKind(parts[0]), parts[1], int(parts[2]), mark.endswith(EXCUSED))


_KINDS: Final = frozenset(kind.value for kind in EventKind)


class Situation(NamedTuple):
    """Who is there to tell."""

    is_lead: bool
    lead_since_ns: int
    """Since when the lead's session has been heard here, monotonic."""
    told_elsewhere: frozenset[str]
    """Marks of the other gateways, also of those that are silent now."""


class _Waiting(NamedTuple, Generic[T]):
    episode: Episode
    finding: T
    found_ns: int


class _Told(NamedTuple):
    episode: Episode
    event_id: str | None
    """None: an earlier session told it, which nobody knows the event of."""
    at_s: int
    is_earlier: bool = False
    """An earlier session told it."""


class Episodes(Generic[T]):
    """What this gateway found and has not told, and what it has told.

    Parameters
    ----------
    started_ns
        When this session began, monotonic.
    """

    def __init__(self, started_ns: int) -> None:
        self._started_ns = started_ns
        self._waiting: list[_Waiting[T]] = []
        self._told: list[_Told] = []

    @property
    def has_waiting(self) -> bool:
        """Whether `take` may give anything."""
        return bool(self._waiting)

    def recall(self, marks: Iterable[tuple[str, int]], events: Mapping[str, str]) -> None:
        """What an earlier session has told: marks, and when (unix seconds); and as in `events`."""
        for mark, at_s in marks:
            episode = read_mark(mark)
            if episode is not None:
                self._told.append(_Told(episode, events.get(mark), at_s, is_earlier=True))

    def found(self, episode: Episode, finding: T, now_ns: int) -> None:
        """Detectors have found something here; what an earlier session told is none."""
        earlier = [each.episode for each in self._told if each.is_earlier]
        if not any(episode.is_told_by(each) for each in earlier):
            self._waiting.append(_Waiting(episode, finding, now_ns))

    def take(self, now_ns: int, situation: Situation) -> list[tuple[Episode, T]]:
        """What is to be told now; it waits no more."""
        elsewhere = [
            episode for mark in situation.told_elsewhere if (episode := read_mark(mark)) is not None
        ]
        kept, due = [], []
        for each in self._waiting:
            if any(each.episode.is_told_by(other) for other in elsewhere):
                continue
            if self._tells(each, now_ns, situation):
                due.append((each.episode, each.finding))
            elif now_ns - each.found_ns < WAITS_NS:
                kept.append(each)
        self._waiting = kept
        return due

    def _tells(self, waiting: _Waiting[T], now_ns: int, situation: Situation) -> bool:
        if situation.is_lead:
            return True
        is_warm = now_ns - self._started_ns >= WARM_NS
        lead_is_young = now_ns - situation.lead_since_ns < WARM_NS
        return is_warm and lead_is_young and now_ns - waiting.found_ns >= GRACE_NS

    def note(self, episode: Episode, event_id: str, at_s: int) -> None:
        """It has been told, by an event of this id, at this unix second."""
        self._told.append(_Told(episode, event_id, at_s))

    def told(self, now_s: int) -> list[tuple[str, int]]:
        """Marks of what this gateway told within `TOLD_S`, and when: to keep over a restart."""
        self._forget(now_s)
        return [(each.episode.mark, each.at_s) for each in self._told]

    def events(self) -> dict[str, str]:
        """Of those, the ids of their events by mark: they may wait for the alert service still."""
        return {each.episode.mark: each.event_id for each in self._told if each.event_id}

    def marks(self, now_s: int, is_with_people: Callable[[str], bool]) -> list[str]:
        """The same for the other gateways: what people know of, by the id of its event. One that
        still waits for the alert service would be lost with this gateway.
        """
        self._forget(now_s)
        return sorted(
            {
                each.episode.mark
                for each in self._told
                if each.event_id is None or is_with_people(each.event_id)
            }
        )

    def _forget(self, now_s: int) -> None:
        # A clock that was set back must not keep them for years.
        self._told = [each for each in self._told if abs(now_s - each.at_s) <= TOLD_S]
