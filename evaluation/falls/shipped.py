"""Which model is judged, and on whom it was trained: what ships says both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib import resources
from typing import Final

import msgspec

from contract.screen import known_placement
from detectors.fall_model import MODEL_OF, ModelError, shipped_hash

PEOPLE_UNKNOWN: Final = (
    "The model ships without a card that lists its people: whether it was trained on those judged "
    "here cannot be told."
)


class JudgedModel(msgspec.Struct, kw_only=True):
    """The models that judge wearables at some placements."""

    hash: str
    """SHA-256 of the model's file; where there are several, of their hashes in order."""
    files: dict[str, str]
    """Each model's own, by its placement."""
    people_known: bool
    """Whether the cards say on whom they were trained."""


def described(placements: Iterable[str]) -> JudgedModel:
    """What ships for these placements."""
    names = sorted({MODEL_OF[known_placement(each)] for each in placements})
    files = {name: shipped_hash(name) for name in names}
    joined = hashlib.sha256("\n".join(files.values()).encode()).hexdigest()
    return JudgedModel(
        hash=joined if len(files) > 1 else files[names[0]],
        files=files,
        people_known=all(trained_on(name) is not None for name in names),
    )


def trained_on(placement: str) -> frozenset[str] | None:
    """People (``dataset/subject``) of whom a placement's model has seen anything, by its card.

    Returns
    -------
    frozenset or None
        None if the model has no card: it may know anybody.

    Raises
    ------
    detectors.fall_model.ModelError
        If there is a card that does not say.
    """
    name = f"falls_{MODEL_OF[known_placement(placement)]}.json"
    card = resources.files("detectors") / "models" / name
    if not card.is_file():
        return None
    try:
        return frozenset(map(str, json.loads(card.read_text("utf-8"))["people"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the model card {name} does not list its people: {error!r}") from error
