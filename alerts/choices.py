"""What is asked for each resident's whereabouts: by the settings file, or by people on the spot.

Both may speak of one resident, and the later word counts, as it does of devices: at a start only
what the file says *otherwise than before* is done.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.entries import touch_config
from alerts.errors import BadChoiceError
from alerts.records.models import WhereaboutsChoice, WhereaboutsLog, Zone
from contract.whereabouts import (
    LONGEST_NOT_RETURNED_MINUTES,
    SHORTEST_NOT_RETURNED_MINUTES,
    WhereaboutsPolicy,
    ZoneUse,
)

FIELDS: Final = WhereaboutsPolicy.__struct_fields__

QUIET: Final = WhereaboutsPolicy()
"""Of whom nothing was said."""


def choices(session: Session, home: str) -> dict[str, WhereaboutsPolicy]:
    """What is asked, by resident; who is not in it has the quiet defaults."""
    return {
        row.resident: _policy(row)
        for row in session.scalars(select(WhereaboutsChoice).where(WhereaboutsChoice.home == home))
    }


def choice_of(session: Session, home: str, resident: str) -> WhereaboutsPolicy:
    """What is asked for one resident."""
    row = session.get(WhereaboutsChoice, (home, resident))
    return QUIET if row is None else _policy(row)


def _policy(row: WhereaboutsChoice) -> WhereaboutsPolicy:
    return WhereaboutsPolicy(**{name: getattr(row, name) for name in FIELDS})


def check(session: Session, home: str, policy: WhereaboutsPolicy) -> WhereaboutsPolicy:
    """Return `policy` with its zones in order, each once.

    Raises
    ------
    BadChoiceError
        If it cannot be followed: the message says what can.
    """
    rows = session.scalars(select(Zone).where(Zone.home == home).order_by(Zone.id))
    zones = {row.id: row for row in rows}
    unknown = sorted(set(policy.safe_zones) - zones.keys())
    if unknown:
        raise BadChoiceError(f"{', '.join(unknown)}: there is no such zone in the home's plan")
    outside = sorted(each for each in set(policy.safe_zones) if zones[each].use == ZoneUse.EXIT)
    if outside:
        raise BadChoiceError(f"{', '.join(outside)}: an exit is no place to be alone")
    minutes = policy.not_returned_minutes
    if minutes and not SHORTEST_NOT_RETURNED_MINUTES <= minutes <= LONGEST_NOT_RETURNED_MINUTES:
        raise BadChoiceError(
            f"somebody is missed after {SHORTEST_NOT_RETURNED_MINUTES} to "
            f"{LONGEST_NOT_RETURNED_MINUTES} minutes, or never (0); not after {minutes}"
        )
    if policy.at_risk and all(row.use != ZoneUse.EXIT for row in zones.values()):
        raise BadChoiceError(
            'the plan of the home has no exit: nobody would be called. Give a zone use = "exit" '
            "in [[zones]]"
        )
    ordered = [each for each in zones if each in set(policy.safe_zones)]
    return msgspec.structs.replace(policy, safe_zones=ordered)


def choose(  # noqa: PLR0917 - who asks for what, of whom
    session: Session,
    home: str,
    resident: str,
    policy: WhereaboutsPolicy,
    by: str,
    now_us: int,
    *,
    said: dict[str, Any] | None = None,
) -> bool:
    """Ask for something else from now on; whether that was news. Gateways know it in seconds.

    Parameters
    ----------
    said
        What the settings file says, to be remembered; None if it is not what speaks.
    """
    row = session.get(WhereaboutsChoice, (home, resident))
    before = QUIET if row is None else _policy(row)
    if row is None:
        row = WhereaboutsChoice(home=home, resident=resident, **msgspec.structs.asdict(QUIET))
        session.add(row)
    if said is not None:
        row.said = said
    if policy == before:
        return False
    for name in FIELDS:
        setattr(row, name, getattr(policy, name))
    session.add(
        WhereaboutsLog(
            home=home,
            resident=resident,
            at_us=now_us,
            by=by,
            choice=msgspec.structs.asdict(policy),
        )
    )
    session.flush()
    touch_config(session, home, now_us)
    return True


def said_otherwise(
    session: Session, home: str, resident: str, said: dict[str, Any]
) -> WhereaboutsPolicy:
    """What the settings file asks for: where it says the same as before, what stands now stays, but
    for safe zones that the plan, which is the file's alone, no longer has.
    """
    row = session.get(WhereaboutsChoice, (home, resident))
    if row is None or row.said is None:
        return WhereaboutsPolicy(**said)
    news = {name: value for name, value in said.items() if row.said.get(name) != value}
    inside = set(
        session.scalars(select(Zone.id).where(Zone.home == home, Zone.use != ZoneUse.EXIT))
    )
    stands = _policy(row)
    still = [zone for zone in stands.safe_zones if zone in inside]
    return msgspec.structs.replace(stands, **{"safe_zones": still, **news})
