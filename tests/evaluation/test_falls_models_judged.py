"""Which model judges whom, and how it knows the recordings of its training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.units import STANDARD_GRAVITY_M_S2
from detectors.fall_model import MANIFEST, ModelError, load_model, save_model
from evaluation.falls import Asked, evaluate
from evaluation.falls.models import ModelFolder, model_folders
from evaluation.fingerprints import (
    LEAST_SPAN,
    STEP_G,
    fingerprints_file,
    fingerprints_of,
    fingerprints_of_all,
    read_fingerprints,
    save_fingerprints,
)
from evaluation.training import write_fingerprints
from evaluation.trials import Trial, read_trials

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "falls"


def knocks(seed, seconds=40.0, rate_hz=40.0):
    """Somebody who moves, and knocks something every few seconds."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.05, (3, round(seconds * rate_hz))) + np.array([[0.0], [0.0], [1.0]])
    for at in range(40, samples.shape[1], round(7 * rate_hz)):
        samples[:, at : at + 6] += rng.uniform(-2, 2, (3, 6))
    return samples.astype(np.float32)


def trial(seed, **said):
    known = {"dataset": "made", "trial": f"t-{seed}", "person": f"made/p{seed}"} | said
    return Trial(**{"placement": "wrist", "rate_hz": 40.0, "samples_g": knocks(seed)} | known)


def moved(one, samples):
    return dataclasses.replace(one, samples_g=np.asarray(samples, np.float32))


def is_known(one, seen):
    return bool(np.isin(fingerprints_of(one), seen).any())


@given(st.integers(0, 1000))
def test_a_recording_is_known_under_another_name_and_a_strangers_is_not(seed):
    one = trial(seed)
    seen = fingerprints_of_all([one, trial(2000), trial(2001)])
    metric = np.float32(STANDARD_GRAVITY_M_S2) * one.samples_g
    for again in (
        dataclasses.replace(one, dataset="other", trial="x", person="other/y"),
        moved(one, metric.astype(np.float64) / STANDARD_GRAVITY_M_S2),
        moved(one, one.samples_g[[2, 0, 1]] * np.array([[-1], [1], [-1]])),
        moved(one, one.samples_g[:, 20:-20]),
    ):
        assert is_known(again, seen)
    assert not is_known(trial(seed + 3000), seen)


def test_rest_and_shreds_are_nobodys():
    rest = np.zeros((3, 4_000), np.float32)
    rest[2] = 1 + 0.4 * STEP_G * LEAST_SPAN * np.sin(np.arange(4_000))
    for samples in (rest, knocks(0)[:, 35:50], np.full((3, 50), np.inf), knocks(0) * 1e30):
        assert len(fingerprints_of(moved(trial(0), samples))) == 0


def folder_of(path, people, trials=(), placement="wrist"):
    """Models as training writes them: the shipped one, said to be made from these people."""
    path.mkdir(parents=True)
    file = path / f"falls_{placement}.npz"
    save_model(file, load_model(placement))
    file.with_suffix(".json").write_text(json.dumps({"people": people}))
    save_fingerprints(file, fingerprints_of_all(trials))
    return path


def knows(folder, *trials):
    return ModelFolder(folder).knows(trials, [fingerprints_of(each) for each in trials]).tolist()


def test_one_recording_that_is_known_gives_its_person_away(tmp_path):
    folder = folder_of(tmp_path / "m", ["made/p1"], [trial(2)])
    renamed = dataclasses.replace(trial(2), dataset="new", person="new/a")
    same_person = trial(3, dataset="new", person="new/a")
    at_the_waist = dataclasses.replace(same_person, placement="waist")
    nobody = dataclasses.replace(trial(2), person=None)
    others = trial(4, dataset="new", person="new/b"), trial(5, person=None)
    assert knows(folder, trial(1), renamed, same_person, at_the_waist, nobody, *others) == [
        True, True, True, False, True, False, False,
    ]  # fmt: skip


def test_fingerprints_that_were_changed_or_are_gone_are_refused(tmp_path):
    folder = folder_of(tmp_path / "m", [], [trial(1)])
    file = fingerprints_file(folder / "falls_wrist.npz")
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))
    with pytest.raises(ModelError, match=r"falls_wrist_trials\.npy.* is not the file"):
        ModelFolder(folder)
    file.unlink()
    with pytest.raises(ModelError, match="it is gone"):
        ModelFolder(folder)


def test_models_without_a_card_or_fingerprints_may_know_anybody(tmp_path):
    save_model(tmp_path / "falls_wrist.npz", load_model("wrist"))
    assert read_fingerprints(tmp_path / "falls_wrist.npz") is None
    said = ModelFolder(tmp_path).described(["wrist"])
    assert (said.people_known, said.trials_known) == (False, False)
    assert knows(tmp_path, trial(1)) == [False]


def test_what_ships_says_on_whom_it_was_trained():
    for placement in ("wrist", "waist", "pendant"):
        said = ModelFolder(None).described([placement])
        assert (said.people_known, said.trials_known) == (True, True)


def test_a_folder_that_holds_no_models_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no fall models"):
        model_folders(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(ModelError, match="is no manifest"):
            model_folders(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    (folder,) = model_folders(tmp_path)
    assert not any(folder.has(each) for each in ("wrist", "waist", "pendant"))


def test_each_person_is_judged_by_a_fold_that_has_not_seen_them(tmp_path):
    from pyarrow import Table, parquet

    rows = [
        {"dataset": "made", "trial": f"t-{seed}", "subject": f"p{seed}", "rate_hz": 40.0,
         "is_fall": False, "placement": "waist" if seed == 4 else "wrist"}
        | dict(zip(("ax", "ay", "az"), knocks(seed, 5.0).tolist(), strict=True))
        for seed in (1, 2, 3, 4)
    ]  # fmt: skip
    parquet.write_table(Table.from_pylist(rows), tmp_path / "made.parquet")
    folds = tmp_path / "folds"
    folder_of(folds / "fold-1", ["made/p2", "made/p3"])
    folder_of(folds / "fold-2", ["made/p1", "made/p3"])
    done = evaluate(Asked(paths=[tmp_path / "made.parquet"], models=folds))
    assert [each.trial.trial for each in done.heard] == ["t-1", "t-2", "t-3"]
    first, second = done.judges[:2]
    assert first is not second
    assert done.judges[2] is first
    assert done.in_training == {("made", "t-3")}
    assert done.sets["made"].tiers["fall_suspected"].daily_trials == 2
    assert done.sets["made"].in_training.people == ["made/p3"]
    assert set(done.model.files) == {"wrist 1", "wrist 2"}
    assert "placement 'waist'; there are models for wrist" in done.skipped[0]


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, the development recordings")
def test_the_shipped_fingerprints_are_of_these_recordings(tmp_path):
    """All that the wrist's were made of: what a new list of the data would be."""
    save_model(tmp_path / "falls_wrist.npz", load_model("wrist"))
    files = [DATA / f"{name}.parquet" for name in ("smartfall_watch", "sphere_daily", "weda")]
    write_fingerprints(files, tmp_path, lambda _: None)
    name = "falls_wrist_trials.npy"
    import detectors

    shipped = json.loads((Path(detectors.__file__).parent / "models" / MANIFEST).read_text())
    assert json.loads((tmp_path / MANIFEST).read_text())[name] == shipped[name]
    hidden = [
        dataclasses.replace(each, dataset="new", person="new/x") for each in read_trials(files[2:])
    ]
    folder = ModelFolder(None)
    assert folder.knows(hidden[:5], [fingerprints_of(each) for each in hidden[:5]]).all()
