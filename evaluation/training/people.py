"""Who is held out when: persons, never trials, are dealt out to folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.training.table import TrialTable, UnfitDataError


def folds_by_person(table: TrialTable, folds: int, seed: int) -> NDArray[np.intp]:
    """Fold of each trial; all trials of a person share one.

    Within a set, and there among those who fall and those who do not, persons are dealt out in
    random order, so that every fold gets its share of each.

    Parameters
    ----------
    table
        The trials.
    folds
        How many, at least 2.
    seed
        Of the order.

    Raises
    ------
    UnfitDataError
        If there are fewer persons who fall than folds.
    """
    fallers = np.unique(table.person[table.is_fall])
    if folds < 2 or len(fallers) < folds:
        raise UnfitDataError(
            f"{folds} folds by person need at least 2 folds and a person who falls in each; "
            f"there are {len(fallers)} such persons"
        )
    random = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    for dataset in table.datasets:
        persons = np.unique(table.person[table.dataset == dataset])
        falls = np.isin(persons, fallers)
        for group in (persons[falls], persons[~falls]):
            for person in random.permutation(group):
                fold_of[str(person)] = len(fold_of) % folds
    return np.array([fold_of[str(person)] for person in table.person], np.intp)
