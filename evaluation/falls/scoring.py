"""What was said, against what the recordings say of themselves.

Two tiers: ``fall_suspected``, and ``fall_detected`` half a minute later. The second is counted only
where real motion goes on for the half minute: what a detector makes of the padding says nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from contract.events import EventKind
from detectors.confirmation import CONFIRM_AFTER_S
from evaluation.falls.hearing import Heard, Said, Transport
from evaluation.intervals import Interval, greatest_rate, share_by_person
from evaluation.trials import Trial

MARK_TOLERANCE_S: Final = 0.5
"""Marks are set by hand, to half a second; an impact so near to one is in it."""

TIERS: Final = (EventKind.FALL_SUSPECTED, EventKind.FALL_DETECTED)

_S_PER_HOUR: Final = 3_600


TrialName = tuple[str, str]
"""Its dataset and its own: together unique."""


def name_of(trial: Trial) -> TrialName:
    """What a trial is known by among all that are judged."""
    return trial.dataset, trial.trial


class Counts(msgspec.Struct, kw_only=True):
    """Of one activity or one person."""

    falls: int = 0
    found: int = 0
    daily_trials: int = 0
    daily_alarmed: int = 0


class Tier(msgspec.Struct, kw_only=True):
    """Figures of one set at one tier; None where there is nothing to count."""

    covered_trials: int
    """Falls and daily trials that can show anything at this tier, and are counted."""
    short_trials: int
    """Others: for ``fall_detected`` those that end before its timer: they show nothing."""
    falls: int
    found: int
    """Falls with an impact in the mark ± `MARK_TOLERANCE_S`, without a mark in the trial."""
    sensitivity: float | None
    low: float | None
    high: float | None
    interval: str | None
    """By which method `low` and `high` were come by."""
    worst_person: float | None
    """Least share of falls found of any one person."""
    worst_person_is: str | None
    outside_mark: int
    """Alarms in fall trials outside the mark: neither found nor counted as false."""
    daily_trials: int
    daily_alarmed: int
    """Daily trials with at least one alarm, padding included."""
    young_trials: int
    young_alarmed: int
    older_trials: int
    older_alarmed: int
    hours: float
    """Of daily recordings, without padding and holes; for ``fall_detected`` without the last half
    minute of each, in which an impact's timer would run into the padding."""
    false_alarms: int
    """Alarms in daily trials, however many in one."""
    false_alarms_per_hour: float | None
    false_alarms_per_hour_bound: float | None
    """Upper 95 % bound: 3 / hours when there were none."""
    delay_p50_s: float | None
    """From impact to emission, of the falls found."""
    delay_p95_s: float | None
    by_activity: dict[str, Counts]
    by_subject: dict[str, Counts]


class WithTraining(msgspec.Struct, kw_only=True):
    """The same figures with those people on whom the model was trained."""

    people: list[str]
    unnamed_trials: int
    """Trials that the model has seen and that do not say whose they are."""
    trials: int
    tiers: dict[str, Tier]


class SetFigures(msgspec.Struct, kw_only=True):
    """One set of recordings, heard over one transport."""

    placement: str
    transport: str
    trials: int
    """In the headline's tiers."""
    unlabelled: int
    """Trials that do not say whether they hold a fall: detections are written, nothing is
    counted."""
    without_subject: int
    """Trials that do not say whose they are: nobody can tell whether the model knows them."""
    faults: dict[str, int]
    """By cause: how many trials raised such a fault about their wearable."""
    tiers: dict[str, Tier]
    in_training: WithTraining | None
    """None if nobody of the set was used in training."""


class Judged(NamedTuple):
    """One trial at one tier."""

    heard: Heard
    alarms: list[Said]
    found: Said | None
    """The first alarm at the fall's place."""


def score(
    heard: Sequence[Heard], transport: Transport, in_training: Collection[TrialName] = frozenset()
) -> dict[str, SetFigures]:
    """Figures of each set, by its name (`set_names`).

    Parameters
    ----------
    heard
        From `evaluation.falls.hearing.hear`.
    transport
        How they were heard.
    in_training
        Trials of people of whom the model that judged them has seen anything.
    """
    sets: dict[str, list[Heard]] = defaultdict(list)
    for name, each in zip(set_names([one.trial for one in heard]), heard, strict=True):
        sets[name].append(each)
    return {name: _score_set(members, transport, in_training) for name, members in sets.items()}


def set_names(trials: Sequence[Trial]) -> list[str]:
    """For each trial its dataset, and the placement too where a dataset has several.

    Where a set is itself called as another with its placement, all get theirs: no two sets get one
    name.
    """
    sets = {(trial.dataset, trial.placement) for trial in trials}
    count = Counter(dataset for dataset, _ in sets)
    whole = {each: " ".join(each) for each in sets}
    names = {each: each[0] if count[each[0]] == 1 else whole[each] for each in sets}
    if len(set(names.values())) < len(sets):
        names = whole
    return [names[trial.dataset, trial.placement] for trial in trials]


def judge(heard: Heard, tier: EventKind) -> Judged | None:
    """A labelled trial at a tier; None where its real data cannot show anything of that tier."""
    trial = heard.trial
    alarms = [said for said in heard.said if said.kind is tier]
    if tier is EventKind.FALL_DETECTED:
        if not is_covered(_latest_impact_s(trial), trial):
            return None
        alarms = [said for said in alarms if is_covered(said.impact_s, trial)]
    place = fall_place_s(trial)
    found = None
    if place is not None:
        found = next((said for said in alarms if place[0] <= said.impact_s <= place[1]), None)
    return Judged(heard, alarms, found)


def fall_place_s(trial: Trial) -> tuple[float, float] | None:
    """Where a fall's impact may lie, seconds after the trial's start; None without a fall."""
    if not trial.is_fall:
        return None
    if trial.mark_s is None:
        return 0.0, trial.duration_s
    return trial.mark_s[0] - MARK_TOLERANCE_S, trial.mark_s[1] + MARK_TOLERANCE_S


def is_covered(impact_s: float, trial: Trial) -> bool:
    """Whether real data goes on for as long as the confirmation waits after an impact."""
    return impact_s + CONFIRM_AFTER_S <= trial.duration_s


def _latest_impact_s(trial: Trial) -> float:
    """Where the timer begins at the latest: at the end of a fall's mark, without one at the
    greatest |a|; in a daily trial at its start, so that some impact in it is covered.
    """
    if not trial.is_fall:
        return 0.0
    if trial.mark_s is not None:
        return trial.mark_s[1]
    square = np.square(trial.samples_g).sum(axis=0)
    return float(np.nanargmax(square)) / trial.rate_hz


def _score_set(
    members: Sequence[Heard], transport: Transport, in_training: Collection[TrialName]
) -> SetFigures:
    labelled = [each for each in members if each.trial.is_fall is not None]
    known = [each for each in labelled if name_of(each.trial) in in_training]
    others = [each for each in labelled if name_of(each.trial) not in in_training]
    with_training = None
    if known:
        with_training = WithTraining(
            people=sorted({each.trial.person for each in known if each.trial.person is not None}),
            unnamed_trials=sum(each.trial.person is None for each in known),
            trials=len(labelled),
            tiers=_tiers(labelled),
        )
    return SetFigures(
        placement=members[0].trial.placement,
        transport=transport,
        trials=len(others),
        unlabelled=len(members) - len(labelled),
        faults=dict(sorted(Counter(cause for each in members for cause in each.faults).items())),
        without_subject=sum(each.trial.person is None for each in labelled),
        tiers=_tiers(others),
        in_training=with_training,
    )


def _tiers(labelled: Iterable[Heard]) -> dict[str, Tier]:
    labelled = list(labelled)
    tiers = {}
    for tier in TIERS:
        judged = [one for each in labelled if (one := judge(each, tier)) is not None]
        tiers[tier.value] = _tier(judged, tier, short=len(labelled) - len(judged))
    return tiers


def _tier(judged: Sequence[Judged], tier: EventKind, *, short: int) -> Tier:
    falls = [one for one in judged if one.heard.trial.is_fall]
    daily = [one for one in judged if not one.heard.trial.is_fall]
    found = [one.found for one in falls if one.found is not None]
    by_subject = _counts(judged, _subject)
    sensitivity, low, high, method = None, None, None, None
    if falls:
        sensitivity = len(found) / len(falls)
        low, high, method = _interval(falls, by_subject)
    worst = min(
        ((each.found / each.falls, name) for name, each in by_subject.items() if each.falls),
        default=(None, None),
    )
    waits_s = CONFIRM_AFTER_S if tier is EventKind.FALL_DETECTED else 0
    hours = sum(max(one.heard.trial.measured_s - waits_s, 0.0) for one in daily) / _S_PER_HOUR
    false_alarms = sum(len(one.alarms) for one in daily)
    young = [one for one in daily if one.heard.trial.older is False]
    older = [one for one in daily if one.heard.trial.older]
    delays_s = [said.emitted_s - said.impact_s for said in found]
    return Tier(
        covered_trials=len(judged),
        short_trials=short,
        falls=len(falls),
        found=len(found),
        sensitivity=sensitivity,
        low=low,
        high=high,
        interval=method,
        worst_person=worst[0],
        worst_person_is=worst[1],
        outside_mark=sum(_outside_mark(one) for one in falls),
        daily_trials=len(daily),
        daily_alarmed=_alarmed(daily),
        young_trials=len(young),
        young_alarmed=_alarmed(young),
        older_trials=len(older),
        older_alarmed=_alarmed(older),
        hours=hours,
        false_alarms=false_alarms,
        false_alarms_per_hour=false_alarms / hours if hours else None,
        false_alarms_per_hour_bound=greatest_rate(false_alarms, hours) if hours else None,
        delay_p50_s=_percentile(delays_s, 50),
        delay_p95_s=_percentile(delays_s, 95),
        by_activity=_counts(judged, lambda trial: trial.activity),
        by_subject=by_subject,
    )


def _interval(falls: Sequence[Judged], by_subject: Mapping[str, Counts]) -> Interval:
    """Of the share of falls found; where some falls are nobody's, as if all were one person's."""
    if any(one.heard.trial.person is None for one in falls):
        found = sum(one.found is not None for one in falls)
        return share_by_person([found], [len(falls)])
    fallers = [each for each in by_subject.values() if each.falls]
    return share_by_person([each.found for each in fallers], [each.falls for each in fallers])


def _counts(judged: Iterable[Judged], group_of: Callable[[Trial], str | None]) -> dict[str, Counts]:
    counts: dict[str, Counts] = defaultdict(Counts)
    for one in judged:
        trial = one.heard.trial
        name = group_of(trial)
        if name is None:
            continue
        each = counts[name]
        if trial.is_fall:
            each.falls += 1
            each.found += one.found is not None
        else:
            each.daily_trials += 1
            each.daily_alarmed += bool(one.alarms)
    return dict(sorted(counts.items()))


def _subject(trial: Trial) -> str | None:
    return None if trial.person is None else trial.person.removeprefix(f"{trial.dataset}/")


def _alarmed(judged: Iterable[Judged]) -> int:
    return sum(bool(one.alarms) for one in judged)


def _outside_mark(one: Judged) -> int:
    place = fall_place_s(one.heard.trial)
    assert place is not None
    return sum(not place[0] <= said.impact_s <= place[1] for said in one.alarms)


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
