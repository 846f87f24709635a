"""From files to figures: read, play through the gateway, score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from contract.screen import SCREEN_IMPACT_G
from evaluation.falls.hearing import Heard, Transport, hear
from evaluation.falls.impacts import impacts_of
from evaluation.falls.page import SetReport, write_report
from evaluation.falls.scoring import SetFigures, score, set_names
from evaluation.falls.shipped import JudgedModel, described, trained_on
from evaluation.falls.stress import Stress
from evaluation.trials import Trial, read_trials

HEARD_AS: Final[dict[Transport, str]] = {
    "stream": "Heard over held links, as streams",
    "window": "Heard by adverts and fetched windows",
}


GREATEST_MEDIAN_G: Final = 3.0
"""Half of a trial above this is no motion of a person: rest is 1 g, and in m/s² 9.8."""


class NothingToPlayError(ValueError):
    """Not one trial could be played; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be evaluated, and how."""

    paths: Sequence[Path]
    transport: Transport = "stream"
    stress: Stress = field(default_factory=Stress)
    seed: int = 0

    def plain(self) -> dict[str, Any]:
        """What changes figures, as JSON takes it."""
        return {
            "transport": self.transport,
            "clip_g": self.stress.clip_g,
            "rate_hz": self.stress.rate_hz,
            "loss": self.stress.loss,
            "seed": self.seed,
        }

    def in_words(self) -> str:
        """The same for people."""
        words = [HEARD_AS[self.transport]]
        if self.stress.clip_g is not None:
            words.append(f"the sensor clipping at ±{self.stress.clip_g:g} g")
        if self.stress.rate_hz is not None:
            words.append(f"sampling at {self.stress.rate_hz:g} Hz")
        if self.stress.loss:
            words.append(f"{self.stress.loss:.0%} of packets lost")
        return f"{', '.join(words)}; seed {self.seed}."


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of it."""

    asked: Asked
    heard: list[Heard]
    """In the order of the files."""
    sets: dict[str, SetFigures]
    model: JudgedModel
    skipped: list[str]
    """Why trials could not be played, one line each."""
    doubts: list[str]
    """What is doubtful of those that were, one line each."""

    @property
    def is_labelled(self) -> bool:
        """Whether any trial says whether it holds a fall."""
        return any(each.trial.is_fall is not None for each in self.heard)


def evaluate(asked: Asked, progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """Play recordings through the gateway and judge what it says.

    Parameters
    ----------
    asked
        What, and how.
    progress
        Told how many of how many trials were played.

    Raises
    ------
    firmware_sim.RecordingError
        If there is no such file, it is no parquet, or a column is missing.
    NothingToPlayError
        If no trial is left to play.
    detectors.fall_model.ModelError
        If the model that ships cannot be used.
    """
    skipped: list[str] = []
    doubts: list[str] = []
    trials = _playable(
        read_trials(
            asked.paths,
            skipped.append,
            lambda why: doubts.append(f"{why}: played, but not counted"),
        ),
        skipped,
    )
    if not trials:
        raise NothingToPlayError("\n".join(["no trial could be played:", *skipped]))
    placements = sorted({trial.placement for trial in trials})
    heard = hear(trials, asked.transport, stress=asked.stress, seed=asked.seed, progress=progress)
    known = {placement: trained_on(placement) or frozenset() for placement in placements}
    return Evaluation(
        asked=asked,
        heard=heard,
        sets=score(heard, asked.transport, known),
        model=described(placements),
        skipped=skipped,
        doubts=[*doubts, *_not_in_g(trials)],
    )


def write_pages(evaluation: Evaluation, folder: Path) -> Path:
    """Write the pages of `evaluation.falls.page`; returns the first."""
    trials = [each.trial for each in evaluation.heard]
    asked = evaluation.asked
    impacts = impacts_of(trials, stress=asked.stress, seed=asked.seed)
    names = set_names(trials)
    sets = []
    for name, figures in evaluation.sets.items():
        members = [number for number, each in enumerate(names) if each == name]
        sets.append(
            SetReport(
                name,
                figures,
                [evaluation.heard[number] for number in members],
                [impacts[number] for number in members],
                trained_on(figures.placement) or frozenset(),
            )
        )
    return write_report(folder, sets, evaluation.model, asked.in_words())


def _not_in_g(trials: Sequence[Trial]) -> Iterator[str]:
    """A line for each set that seems to be in other units; a wearable clips such motion."""
    sets: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        square = np.square(trial.samples_g.astype(np.float64)).sum(axis=0)
        sets[trial.dataset].append(float(np.sqrt(np.nanmedian(square))))
    for dataset, medians_g in sets.items():
        strange = [median for median in medians_g if median > GREATEST_MEDIAN_G]
        if strange:
            yield (
                f"{dataset}: {len(strange)} of {len(medians_g)} trials have a median |a| above "
                f"{GREATEST_MEDIAN_G:g} (up to {max(strange):.3g}): are they in g, not in m/s²?"
            )


def _playable(trials: Iterable[Trial], skipped: list[str]) -> list[Trial]:
    """Trials of a placement that wearables are made for, each once."""
    playable: list[Trial] = []
    seen: set[tuple[str, str]] = set()
    for trial in trials:
        name = (trial.dataset, trial.trial)
        if trial.placement not in SCREEN_IMPACT_G:
            skipped.append(
                f"trial {trial.trial} of {trial.dataset}: placement {trial.placement!r}; there are "
                f"models for {', '.join(SCREEN_IMPACT_G)}"
            )
        elif name in seen:
            skipped.append(f"trial {trial.trial} of {trial.dataset} is there twice")
        else:
            seen.add(name)
            playable.append(trial)
    return playable
