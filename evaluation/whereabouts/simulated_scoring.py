"""What was told of a simulated home, beside what really happened in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind

PAGES: Final = (
    EventKind.ELOPEMENT,
    EventKind.LEFT_SAFE_ZONE,
    EventKind.EXIT_SEEKING,
    EventKind.NIGHT_WANDERING,
    EventKind.BED_EXIT,
    EventKind.INACTIVE,
    EventKind.NOT_RETURNED,
)
"""Kinds that bring somebody; `wandering_episode` is counted only."""

ALONE: Final = "elopement"
WITH_CARER: Final = "outing"
_WANDERING: Final = frozenset({"pacing", "lapping", "random"})

IS_DUE_TO: Final[dict[EventKind, frozenset[str]]] = {
    EventKind.ELOPEMENT: frozenset({ALONE}),
    EventKind.LEFT_SAFE_ZONE: frozenset({ALONE}),
    EventKind.EXIT_SEEKING: frozenset({"exit_seeking", ALONE}),
    EventKind.NIGHT_WANDERING: _WANDERING | {"night_wandering", "exit_seeking", ALONE},
    EventKind.BED_EXIT: frozenset({"bed_exit", "night_wandering", "exit_seeking", ALONE}),
    EventKind.INACTIVE: frozenset({"inactive"}),
    EventKind.NOT_RETURNED: frozenset({"not_returned"}),
    EventKind.WANDERING_EPISODE: _WANDERING | {"night_wandering", "exit_seeking", ALONE},
}
"""What must really happen for each kind to be true: who paces at night wanders at night."""

ANSWERED_BY: Final[dict[str, frozenset[EventKind]]] = {
    ALONE: frozenset({EventKind.ELOPEMENT, EventKind.LEFT_SAFE_ZONE}),
    "exit_seeking": frozenset({EventKind.EXIT_SEEKING, EventKind.ELOPEMENT}),
    "night_wandering": frozenset({EventKind.NIGHT_WANDERING}),
    "bed_exit": frozenset({EventKind.BED_EXIT}),
    "inactive": frozenset({EventKind.INACTIVE}),
    "not_returned": frozenset({EventKind.NOT_RETURNED}),
    "pacing": frozenset({EventKind.WANDERING_EPISODE}),
    "lapping": frozenset({EventKind.WANDERING_EPISODE}),
    "random": frozenset({EventKind.WANDERING_EPISODE}),
}
"""What should be told of each thing that really happens; only of whose plan asks."""

WALKS: Final = frozenset(
    {EventKind.WANDERING_EPISODE, EventKind.NIGHT_WANDERING, EventKind.EXIT_SEEKING}
)
LATE_S: Final = 300
"""So long after its end a walk may still be told: it is known when it is over for good."""
ON_TIME_S: Final = 15
"""And so long everything else: three seconds of lateness, five until a room is decided, eight for a
door. Who has come back from the toilet or the street is not missing any more."""
EARLY_S: Final = 60
"""So shortly before an elopement begins, as it is written down, it may be told: she stands by the
exit as somebody else goes through, and goes herself before anybody could have come."""
LEFT_BED_S: Final = 60
"""A bed exit is true if she really left her bed, or it again, so shortly before or after."""


class Truth(NamedTuple):
    """Something that really happened; times are seconds since the first day's midnight."""

    row: int
    kind: str
    begun: int
    ended: int
    second_door: int | None = None
    """When the outer one of two doors opened."""


class Told(NamedTuple):
    """Something that was told."""

    row: int
    kind: EventKind
    begun: int
    at: int
    """When it was said, with all lateness."""
    excused: bool
    zone: str
    sentence: str
    is_as_said: bool = False
    """It was so, though nothing came of it: she stood there alone while the exit's door was open,
    or did come back to the exit again and again."""


class Answer(NamedTuple):
    """How one thing that happened was answered."""

    truth: Truth
    at: int | None
    """When it was first told; None: never."""

    @property
    def is_early(self) -> bool:
        """Before it began: as somebody else opened the door."""
        return self.at is not None and self.at < self.truth.begun

    @property
    def is_in_time(self) -> bool:
        """Before the second door, where there was one."""
        door = self.truth.second_door
        return self.at is not None and (door is None or self.at <= door)


class Judged(NamedTuple):
    """Everything told, and everything that happened."""

    true: list[Told]
    harmless: list[Told]
    """It was as it was said, and nothing came of it."""
    false: list[Told]
    excused: list[Told]
    """Said with low priority as a carer walked along; neither of the two."""
    answers: list[Answer]


def judge(
    told: Sequence[Told],
    truths: Sequence[Truth],
    left_beds: Iterable[tuple[int, int]],
    asked: NDArray[np.bool_],
) -> Judged:
    """Compare.

    Parameters
    ----------
    left_beds
        Row and second of each time that somebody really left her bed.
    asked
        (residents, kinds of `PAGES`) whether her plan asks to be told of that.
    """
    of_row: dict[int, list[Truth]] = {}
    for each in truths:
        of_row.setdefault(each.row, []).append(each)
    beds: dict[int, list[int]] = {}
    for row, second in left_beds:
        beds.setdefault(row, []).append(second)
    judged = Judged([], [], [], [], [])
    for one in told:
        if one.excused:
            judged.excused.append(one)
        elif _is_true(one, of_row.get(one.row, ()), beds.get(one.row, ())):
            judged.true.append(one)
        elif one.is_as_said:
            judged.harmless.append(one)
        else:
            judged.false.append(one)
    spoken: dict[int, list[Told]] = {}
    for one in told:
        spoken.setdefault(one.row, []).append(one)
    for truth in truths:
        kinds = ANSWERED_BY.get(truth.kind, frozenset())
        if any(_is_asked(asked, truth.row, kind) for kind in kinds):
            at = [
                one.at
                for one in spoken.get(truth.row, ())
                if one.kind in kinds and not one.excused and _is_meanwhile(one, truth)
            ]
            judged.answers.append(Answer(truth, min(at, default=None)))
    return judged


def _is_true(one: Told, truths: Iterable[Truth], left_beds: Iterable[int]) -> bool:
    if one.kind is EventKind.BED_EXIT and any(
        abs(second - one.begun) <= LEFT_BED_S for second in left_beds
    ):
        return True
    return any(truth.kind in IS_DUE_TO[one.kind] and _is_meanwhile(one, truth) for truth in truths)


def _is_meanwhile(one: Told, truth: Truth) -> bool:
    """Whether it was told while it happened, or so near to it that it is meant."""
    early_s = EARLY_S if truth.kind == ALONE else 0
    late_s = LATE_S if one.kind in WALKS else ON_TIME_S
    return truth.begun - early_s <= one.at <= truth.ended + late_s


def _is_asked(asked: NDArray[np.bool_], row: int, kind: EventKind) -> bool:
    return kind not in PAGES or bool(asked[row, PAGES.index(kind)])


def quantile(values: Sequence[int], share: float) -> float | None:
    """The value that so large a share does not exceed; None of none."""
    return float(np.quantile(values, share, method="higher")) if len(values) else None
