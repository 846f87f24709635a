"""From files to figures: read, play through the gateway, score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.fall_model import MODEL_OF
from evaluation.falls.curve import Impact
from evaluation.falls.hearing import Heard, Transport, hear
from evaluation.falls.impacts import impacts_of
from evaluation.falls.models import JudgedModel, ModelFolder, described_together, model_folders
from evaluation.falls.page import SetReport, write_report
from evaluation.falls.scoring import SetFigures, TrialName, name_of, score, set_names
from evaluation.falls.stress import Stress
from evaluation.fingerprints import fingerprints_of
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
    models: Path | None = None
    """Folder of other models than those that ship, or of several such: then each person is judged
    by the first that has not seen them."""

    def plain(self) -> dict[str, Any]:
        """What changes figures, as JSON takes it."""
        return {
            "transport": self.transport,
            "clip_g": self.stress.clip_g,
            "rate_hz": self.stress.rate_hz,
            "loss": self.stress.loss,
            "seed": self.seed,
            "model": None if self.models is None else str(self.models),
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
        if self.models is not None:
            words.append(f"judged by the models in {self.models}")
        return f"{', '.join(words)}; seed {self.seed}."


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of it."""

    asked: Asked
    heard: list[Heard]
    """In the order of the files."""
    judges: list[ModelFolder]
    """Whose model judged each of `heard`."""
    in_training: frozenset[TrialName]
    """Trials of people whom their judge has seen."""
    sets: dict[str, SetFigures]
    model: JudgedModel
    skipped: list[str]
    """Why trials could not be played, one line each."""
    unreadable: list[str]
    """Why files were left out, or the rest of them, one line each."""
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
        If there is no such file or folder.
    NothingToPlayError
        If no trial is left to play.
    detectors.fall_model.ModelError
        If the models cannot be used.
    """
    folders = model_folders(asked.models)
    skipped: list[str] = []
    unreadable: list[str] = []
    doubts: list[str] = []
    trials = _playable(
        read_trials(
            asked.paths,
            skipped.append,
            lambda why: doubts.append(f"{why}: played, but not counted"),
            unreadable.append,
        ),
        folders,
        skipped,
    )
    if not trials:
        raise NothingToPlayError("\n".join(["no trial could be played:", *unreadable, *skipped]))
    placements = sorted({trial.placement for trial in trials})
    choice, known = _judges(trials, folders)
    heard = _hear(trials, choice, folders, asked, progress)
    in_training = frozenset(
        name_of(trial) for trial, is_known in zip(trials, known, strict=True) if is_known
    )
    return Evaluation(
        asked=asked,
        heard=heard,
        judges=[folders[each] for each in choice],
        in_training=in_training,
        sets=score(heard, asked.transport, in_training),
        model=described_together(folders, placements),
        skipped=skipped,
        unreadable=unreadable,
        doubts=[*doubts, *_not_in_g(trials)],
    )


def write_pages(evaluation: Evaluation, folder: Path) -> Path:
    """Write the pages of `evaluation.falls.page`; returns the first."""
    trials = [each.trial for each in evaluation.heard]
    asked = evaluation.asked
    impacts = _impacts(evaluation, trials)
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
                evaluation.in_training,
            )
        )
    return write_report(folder, sets, evaluation.model, asked.in_words())


def _judges(
    trials: Sequence[Trial], folders: Sequence[ModelFolder]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each trial the first folder whose model has not seen its person, and whether there is
    none: then the first that has a model. Both of shape (trials,).
    """
    has = np.array([[folder.has(trial.placement) for trial in trials] for folder in folders])
    fingerprints = [fingerprints_of(trial) for trial in trials]
    blind = has & ~np.array([folder.knows(trials, fingerprints) for folder in folders])
    is_known = ~blind.any(axis=0)
    return np.where(is_known, has.argmax(axis=0), blind.argmax(axis=0)), is_known


def _hear(
    trials: Sequence[Trial],
    choice: NDArray[np.intp],
    folders: Sequence[ModelFolder],
    asked: Asked,
    progress: Callable[[int, int], None] | None,
) -> list[Heard]:
    heard: dict[int, Heard] = {}

    def count(done: int, _of: int) -> None:
        if progress is not None:
            progress(len(heard) + done, len(trials))

    for number, folder in enumerate(folders):
        mine = np.flatnonzero(choice == number).tolist()
        said = hear(
            [trials[each] for each in mine],
            asked.transport,
            stress=asked.stress,
            seed=asked.seed,
            progress=count,
            models=folder.load,
        )
        heard |= zip(mine, said, strict=True)
    return [heard[each] for each in range(len(trials))]


def _impacts(evaluation: Evaluation, trials: Sequence[Trial]) -> list[list[Impact]]:
    members: dict[ModelFolder, list[int]] = defaultdict(list)
    for number, folder in enumerate(evaluation.judges):
        members[folder].append(number)
    impacts: dict[int, list[Impact]] = {}
    asked = evaluation.asked
    for folder, mine in members.items():
        of_mine = [trials[each] for each in mine]
        found = impacts_of(of_mine, stress=asked.stress, seed=asked.seed, models=folder.load)
        impacts |= zip(mine, found, strict=True)
    return [impacts[each] for each in range(len(trials))]


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


def _playable(
    trials: Iterable[Trial], folders: Sequence[ModelFolder], skipped: list[str]
) -> list[Trial]:
    """Trials of a placement that there is a model for, each once."""
    judged = [each for each in MODEL_OF if any(folder.has(each) for folder in folders)]
    playable: list[Trial] = []
    seen: set[TrialName] = set()
    for trial in trials:
        name = name_of(trial)
        if trial.placement not in judged:
            skipped.append(
                f"trial {trial.trial} of {trial.dataset}: placement {trial.placement!r}; there are "
                f"models for {', '.join(judged) or 'none'}"
            )
        elif name in seen:
            skipped.append(f"trial {trial.trial} of {trial.dataset} is there twice")
        else:
            seen.add(name)
            playable.append(trial)
    return playable
