"""Which models judge, and on whom they were trained: their folder says both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.screen import SCREEN_IMPACT_G, known_placement
from detectors.fall_model import (
    MANIFEST,
    MODEL_OF,
    FallModel,
    ModelError,
    load_model,
    read_model,
    shipped_hash,
)
from evaluation.fingerprints import Fingerprints, read_fingerprints
from evaluation.trials import Trial

PEOPLE_UNKNOWN: Final = (
    "The model stands without a card that lists its people: whether it was trained on those judged "
    "here cannot be told."
)
TRIALS_UNKNOWN: Final = (
    "The model stands without the fingerprints of its trials: people whom it was trained on under "
    "another name or in another set's name would not be recognised."
)

Load = Callable[[str], FallModel]
"""Gives the model of a placement."""


class JudgedModel(msgspec.Struct, kw_only=True):
    """The models that judged."""

    hash: str
    """SHA-256 of the model's file; where there are several, of their hashes in order."""
    files: dict[str, str]
    """Each model's own, by its name."""
    people_known: bool
    """Whether the cards say on whom they were trained."""
    trials_known: bool
    """Whether recordings of the training are recognised under other names."""


class ModelFolder:
    """The models of a folder, one for each placement that it has.

    Parameters
    ----------
    path
        With models, their manifest and their cards as `wardlight train falls` writes them; None:
        those that ship.

    Raises
    ------
    detectors.fall_model.ModelError
        If a model, its card or its fingerprints are there and cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is None:
            with resources.as_file(resources.files("detectors") / "models") as shipped:
                self._read(shipped)
        else:
            self._read(path)

    def _read(self, folder: Path) -> None:
        _check_manifest(folder / MANIFEST)
        files = {name: folder / f"falls_{name}.npz" for name in set(MODEL_OF.values())}
        self._files = {name: file for name, file in sorted(files.items()) if file.exists()}
        self._models = {name: self._model(name) for name in self._files}
        self._people = {name: _people(file) for name, file in self._files.items()}
        self._seen = {name: read_fingerprints(file) for name, file in self._files.items()}

    def _model(self, name: str) -> FallModel:
        if self._path is None:
            return load_model(name)
        model = read_model(self._files[name])
        if (model.placement, model.screen_g) != (name, SCREEN_IMPACT_G[name]):
            raise ModelError(
                f"{self._files[name]} is a model of the {model.placement} for candidates over "
                f"{model.screen_g:g} g; wearables at the {name} make them over "
                f"{SCREEN_IMPACT_G[name]:g} g"
            )
        return model

    def has(self, placement: str) -> bool:
        """Whether there is a model for wearables there."""
        return placement in MODEL_OF and MODEL_OF[placement] in self._models

    def load(self, placement: str) -> FallModel:
        """The model of a placement; where the folder has none, the one that ships: a gateway wants
        all of them, also those that it will not ask.
        """
        own = self._models.get(MODEL_OF[known_placement(placement)])
        return load_model(placement) if own is None else own

    def knows(
        self, trials: Sequence[Trial], fingerprints: Sequence[Fingerprints]
    ) -> NDArray[np.bool_]:
        """Which trials are of people on whom their placement's model was trained.

        They are known by their names, and by the fingerprints of any of their trials.

        Parameters
        ----------
        trials
            All that are judged.
        fingerprints
            Of each.

        Returns
        -------
        NDArray
            Shape (trials,).
        """
        names = [MODEL_OF[trial.placement] for trial in trials]
        known = np.array(
            [
                trial.person in (self._people.get(name) or ()) or self._has_seen(name, each)
                for trial, name, each in zip(trials, names, fingerprints, strict=True)
            ],
            np.bool_,
        )
        people = {
            (name, trial.person)
            for name, trial, is_known in zip(names, trials, known, strict=True)
            if is_known and trial.person is not None
        }
        for number, (name, trial) in enumerate(zip(names, trials, strict=True)):
            known[number] |= (name, trial.person) in people
        return known

    def _has_seen(self, name: str, fingerprints: Fingerprints) -> bool:
        seen = self._seen.get(name)
        return seen is not None and bool(np.isin(fingerprints, seen).any())

    def described(self, placements: Iterable[str]) -> JudgedModel:
        """What judges these placements."""
        names = sorted({MODEL_OF[each] for each in placements if self.has(each)})
        files = {name: self._hash(name) for name in names}
        return JudgedModel(
            hash=_joined(files),
            files=files,
            people_known=all(self._people[name] is not None for name in names),
            trials_known=all(self._seen[name] is not None for name in names),
        )

    def _hash(self, name: str) -> str:
        if self._path is None:
            return shipped_hash(name)
        return hashlib.sha256(self._files[name].read_bytes()).hexdigest()


def model_folders(path: Path | None) -> list[ModelFolder]:
    """The folder that was named, or the folders of folds in it.

    Raises
    ------
    detectors.fall_model.ModelError
        If it holds neither, or as `ModelFolder`.
    """
    if path is None:
        return [ModelFolder(None)]
    if (path / MANIFEST).is_file():
        return [ModelFolder(path)]
    folds = sorted(each.parent for each in path.glob(f"*/{MANIFEST}"))
    if not folds:
        raise ModelError(
            f"{path} holds no fall models: name a folder that `wardlight train falls` wrote with "
            "--out or --keep-folds"
        )
    return [ModelFolder(each) for each in folds]


def described_together(folders: Sequence[ModelFolder], placements: Sequence[str]) -> JudgedModel:
    """All that judge these placements."""
    each = [folder.described(placements) for folder in folders]
    if len(each) == 1:
        return each[0]
    files = {
        f"{name} {number}": digest
        for number, one in enumerate(each, start=1)
        for name, digest in one.files.items()
    }
    return JudgedModel(
        hash=_joined(files),
        files=files,
        people_known=all(one.people_known for one in each),
        trials_known=all(one.trials_known for one in each),
    )


def _check_manifest(path: Path) -> None:
    try:
        known = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is no manifest of models: {error}") from error
    if not isinstance(known, dict):
        raise ModelError(f"{path} is no manifest of models: it holds a {type(known).__name__}")


def _joined(files: dict[str, str]) -> str:
    digests = list(files.values())
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    )


def _people(model: Path) -> frozenset[str] | None:
    """People (``dataset/subject``) of whom a model has seen anything, by its card; None without
    one: it may know anybody.
    """
    card = model.with_suffix(".json")
    if not card.is_file():
        return None
    try:
        said: Any = json.loads(card.read_text("utf-8"))["people"]
        return frozenset(map(str, said))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the model card {card.name} does not list its people: {error!r}"
        ) from error
