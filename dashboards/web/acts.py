"""What each form of the board asks of the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from alerts.desk import Desk
from alerts.views import ResolutionOutcome
from contract.messages import AbsenceKind
from dashboards.web.asked import Asked, AskedWhereabouts, is_number
from dashboards.web.guard import RefusedError

MAX_NOTE_CHARACTERS: Final = 500

CHECK: Final = "check"
"""The one action on a manual check; in its form the check stands in the incident's place."""

ABSENT, BACK_AT, BACK = "absent", "back_at", "is_back"
"""A wearable is off or away, until another time, or no longer. In their forms the resident, or the
absence, stands in the incident's place, and the kind, or the time, in the outcome's."""

EXCHANGED: Final = "exchanged"
"""Two wearables were; in its form the fault stands in the incident's place."""

WHEREABOUTS: Final = "whereabouts"
"""What somebody is called for by where a resident is; in its form the resident stands in the
incident's place, and all that is asked, as JSON, in the outcome's."""


def parse_outcome(text: str) -> ResolutionOutcome:
    """An outcome from a form.

    Raises
    ------
    RefusedError
        422, if there is no such outcome.
    """
    try:
        return ResolutionOutcome(text)
    except ValueError as error:
        raise RefusedError(422, "error_form") from error


def _resolve(desk: Desk, asked: Asked, staff_id: str) -> None:
    note = asked.note.strip()[:MAX_NOTE_CHARACTERS]
    desk.resolve(asked.incident, staff_id, parse_outcome(asked.outcome), note)


def _absent(desk: Desk, asked: Asked, staff_id: str) -> None:
    if asked.outcome not in list(AbsenceKind):
        raise RefusedError(422, "error_form")
    desk.absent(asked.incident, AbsenceKind(asked.outcome), staff_id)


def _back_at(desk: Desk, asked: Asked, staff_id: str) -> None:
    if not is_number(asked.outcome):
        raise RefusedError(422, "error_form")
    desk.back_at(asked.incident, staff_id, int(asked.outcome))


def _exchange(desk: Desk, asked: Asked, staff_id: str) -> None:
    if not is_number(asked.incident):
        raise RefusedError(422, "error_form")
    desk.exchange(int(asked.incident), staff_id)


def _ask_whereabouts(desk: Desk, asked: Asked, staff_id: str) -> None:
    try:
        wanted = msgspec.json.decode(asked.outcome, type=AskedWhereabouts)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise RefusedError(422, "error_form") from error
    desk.ask_whereabouts(asked.incident, staff_id, wanted.policy, wanted.version)


ACTS: Final[Mapping[str, Callable[[Desk, Asked, str], object]]] = {
    "acknowledge": lambda desk, asked, staff: desk.acknowledge(asked.incident, staff),
    "arrive": lambda desk, asked, staff: desk.arrive(asked.incident, staff),
    "resolve": _resolve,
    CHECK: lambda desk, asked, staff: desk.checked(asked.incident, staff),
    ABSENT: _absent,
    BACK_AT: _back_at,
    BACK: lambda desk, asked, staff: desk.back(asked.incident, staff),
    EXCHANGED: _exchange,
    WHEREABOUTS: _ask_whereabouts,
}
"""By the name of the form's action."""
