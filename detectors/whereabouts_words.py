"""A find as one English sentence with its numbers: what, and against what is usual."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from contract.events import EventKind
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import Found

LEARNING: Final = "Her habits are still being learnt; usual is what is usual in the home."
EXCUSED: Final = "A carer's tag moves with her."


def sentence(found: Found, zones: Sequence[str]) -> str:
    """What was found.

    Parameters
    ----------
    zones
        Names, in the order of the plan.
    """
    where = "a room that is not known" if found.zone == UNKNOWN else zones[found.zone]
    said = [_SAID[found.kind](found, where)]
    if found.kind is EventKind.WANDERING_EPISODE:
        said[0] = f"{said[0]}: {', '.join(zones[each] for each in found.path)}"
    said = [f"{said[0]}."]
    if found.excused:
        said.append(EXCUSED)
    if found.features.get("is_learning") and found.kind in _OF_HABIT:
        said.append(LEARNING)
    return " ".join(said)


def _elopement(found: Found, where: str) -> str:
    numbers = found.features
    if numbers.get("asked_again"):
        minutes = _minutes(numbers["away_min"])
        return f"Not back {minutes} after she went out with a carer, last at {where}"
    if not numbers.get("is_lost"):
        alone = "" if found.excused else "; no carer goes with her"
        if numbers["came_later"]:
            return f"She came to {where} while the exit door was open, or just after it{alone}"
        return f"The exit door opened while she was at {where}{alone}"
    door = "its door had just opened" if numbers["door_opened"] else "no door was seen to open"
    # Her last place may be the room before it.
    return f"Not heard for {numbers['unheard_s']:.0f} s, last at {where}, by an exit; {door}"


def _left_safe_zone(found: Found, where: str) -> str:
    seconds = found.features["outside_s"]
    if found.features.get("asked_again"):
        return f"Still outside of her safe zones after {_minutes(seconds / 60)}, at {where}"
    return f"Outside of her safe zones, at {where}, for {seconds:.0f} s"


def _exit_seeking(found: Found, where: str) -> str:
    numbers = found.features
    if numbers.get("is_lingering"):
        stayed, longest = numbers["stayed_s"], numbers["usual_stay_s"]
        return f"At {where} for {stayed:.0f} s; usual: up to {longest:.0f} s"
    visits = f"{numbers['visits']:.0f} visits to "
    within = f" in {numbers['window_min']:.0f} min"
    if numbers["exits"] > 1:
        visits += f"{numbers['exits']:.0f} exits{within}, now at {where}"
    else:
        visits += where + within
    usual = f"{numbers['usual_least']:.0f} to {numbers['usual_most']:.0f}"
    return f"{visits}; usual at this hour: {usual}"


def _night_wandering(found: Found, where: str) -> str:
    numbers = found.features
    out = f"Out of bed for {_minutes(numbers['out_min'])}, now at {where}"
    if not numbers["has_been_in_bed"]:
        out = f"Not gone to bed long after her usual time, now at {where}"
    if numbers["is_in_others_room"]:
        return f"{out}, somebody else's bedroom"
    return f"{out}, rooms visited: {numbers['rooms']:.0f}"


def _bed_exit(found: Found, where: str) -> str:
    if found.features["by_bed_sensor"]:
        return "Her bed is empty: she got up at night"
    return f"Out of her bedroom at night, at {where}"


def _inactive(found: Found, where: str) -> str:
    numbers = found.features
    silent = f"for {_minutes(numbers['silent_min'])}, at {where}"
    if numbers["is_movement_known"]:
        silent = f"No movement and no change of room {silent}"
    else:
        silent = f"No change of room {silent} (how she moves is not known)"
    if numbers.get("is_learning"):  # Then it is told for its length alone.
        return silent
    return f"{silent}; by her habits that happens once in {_times(numbers['log10_p'])} such times"


def _not_returned(found: Found, where: str) -> str:
    numbers = found.features
    return (
        f"Went to {where} {_minutes(numbers['away_min'])} ago and was not seen elsewhere since; "
        f"expected back within {_minutes(numbers['limit_min'])}"
    )


def _wandering_episode(found: Found, where: str) -> str:
    del where  # It is the last of the path.
    numbers = found.features
    how = next(
        (word for word in ("pacing", "lapping") if numbers.get(f"is_{word}")), "without a goal"
    )
    return (
        f"Walked for {_minutes(numbers['minutes'])} ({how}), {numbers['visits']:.0f} rooms, "
        f"{numbers['tortuosity']:.1f} times the way needed"
    )


_SAID: Final[Mapping[EventKind, Callable[[Found, str], str]]] = MappingProxyType(
    {
        EventKind.ELOPEMENT: _elopement,
        EventKind.LEFT_SAFE_ZONE: _left_safe_zone,
        EventKind.EXIT_SEEKING: _exit_seeking,
        EventKind.NIGHT_WANDERING: _night_wandering,
        EventKind.BED_EXIT: _bed_exit,
        EventKind.INACTIVE: _inactive,
        EventKind.NOT_RETURNED: _not_returned,
        EventKind.WANDERING_EPISODE: _wandering_episode,
    }
)
_OF_HABIT: Final = frozenset(
    {EventKind.EXIT_SEEKING, EventKind.NIGHT_WANDERING, EventKind.INACTIVE}
)
"""Kinds that are judged by what is usual."""


def _minutes(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{int(minutes) // 60} h {int(minutes) % 60} min"


def _times(log10_p: float) -> str:
    """Of a chance: a round number of times."""
    most = 6
    return f"{10 ** min(-log10_p, most):,.0f}" + (" or more" if -log10_p > most else "")
