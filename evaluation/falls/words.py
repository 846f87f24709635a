"""What must be said beside the figures, in words: on the terminal as on the pages."""

from __future__ import annotations

from collections.abc import Iterator

from contract.events import EventKind
from detectors.confirmation import CONFIRM_AFTER_S
from evaluation.falls.models import PEOPLE_UNKNOWN, TRIALS_UNKNOWN, JudgedModel
from evaluation.falls.scoring import SetFigures


def about_model(model: JudgedModel) -> Iterator[str]:
    """What cannot be told of the models' training."""
    if not model.people_known:
        yield PEOPLE_UNKNOWN
    if not model.trials_known:
        yield TRIALS_UNKNOWN


def about_set(figures: SetFigures) -> Iterator[str]:
    """What a set's figures leave out, and what its wearables were reported for."""
    if figures.unlabelled:
        yield (
            f"{figures.unlabelled} trials do not say whether they hold a fall: only their "
            "detections are written, nothing is counted."
        )
    if figures.without_subject:
        yield (
            f"{figures.without_subject} trials do not say whose they are: whether the model was "
            "trained on these people can be told by their recordings only, and no interval by "
            "person is given."
        )
    training = figures.in_training
    tiers = figures.tiers if training is None else training.tiers
    first, last = (
        tiers[each.value] for each in (EventKind.FALL_SUSPECTED, EventKind.FALL_DETECTED)
    )
    if last.short_trials:
        yield (
            f"fall_detected shows in {last.falls} of {first.falls} falls and {last.daily_trials} "
            f"of {first.daily_trials} daily trials (older people's: {last.older_trials} of "
            f"{first.older_trials}), whose recordings go on for {CONFIRM_AFTER_S:g} s after an "
            "impact; of the others it says nothing."
        )
    if figures.faults:
        causes = ", ".join(f"{cause} in {trials}" for cause, trials in figures.faults.items())
        yield f"Faults of the wearables, by trials: {causes}."
