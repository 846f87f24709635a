"""``wardlight train``: progress for whoever waits, the cards for whoever reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evaluation.training import TrainingOptions, in_words, train_falls, write


def run_training(
    paths: Sequence[Path], options: TrainingOptions, out: Path, *, as_json: bool
) -> None:
    """Train, write into `out`, and print the cards.

    Raises
    ------
    RecordingError, UnfitDataError, OSError
        As `evaluation.training.train_falls` and `evaluation.training.write`.
    """
    # Before hours are spent.
    out.mkdir(parents=True, exist_ok=True)
    trained = train_falls(paths, options, _tell)
    files = [write(each, out) for each in trained]
    cards = [each.card for each in trained]
    if as_json:
        sys.stdout.write(msgspec.json.encode(cards).decode() + "\n")
    else:
        sys.stdout.write("\n\n".join(in_words(card) for card in cards) + "\n")
    for file in files:
        _tell(f"written: {file} and {file.with_suffix('.json').name}")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
