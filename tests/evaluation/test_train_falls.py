from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from detectors.fall_model import read_model
from evaluation.falls.models import ModelFolder, model_folders
from evaluation.fingerprints import fingerprints_file, fingerprints_of
from evaluation.training import TrainingOptions, UnfitDataError, in_words, train_falls, write
from evaluation.training.network import Head
from evaluation.training.streams import impacts_of
from evaluation.training.table import TrialTable
from evaluation.trials import read_trials
from wardlight.cli import app

DATA = Path(__file__).parents[3] / "shared" / "data" / "falls"


def write_trials(path, trials):
    rows = [
        {
            "dataset": trial.dataset,
            "trial": trial.trial,
            "subject": trial.person.split("/")[1],
            "placement": trial.placement,
            "age_group": "older" if trial.older else "young",
            "is_fall": trial.is_fall,
            "rate_hz": trial.rate_hz,
            **dict(zip(("ax", "ay", "az"), trial.samples_g.tolist(), strict=True)),
        }
        for trial in trials
    ]
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory, made_up_trials):
    folder = tmp_path_factory.mktemp("trials")
    return write_trials(folder / "made-up.parquet", made_up_trials(6, 2, 3))


def quickly(file, seed=0, **changes):
    options = TrainingOptions(placement="wrist", seed=seed, folds=2, is_quick=True, **changes)
    (trained,) = train_falls([file], options, lambda _line: None)
    return trained


@pytest.fixture(scope="module")
def trained(file):
    return quickly(file)


def test_the_same_data_and_seed_give_the_same_model_and_card(file, trained):
    again = quickly(file)
    assert again.card == trained.card
    assert again.card["sha256"] == trained.card["sha256"]


def test_falls_of_people_held_out_are_found_and_the_card_says_how_many(trained):
    figures = trained.card["out_of_fold"]["made-up"]
    assert figures["falls"] == 12
    assert figures["found"] == sum(round(share * 2) for share in figures["by_person"].values())
    assert figures["found"] >= 9
    assert trained.card["people"] == [f"made-up/p{n}" for n in range(6)]
    assert "QUICK" in in_words(trained.card)
    assert f"{figures['found']} of 12 falls found" in in_words(trained.card)


def test_what_is_written_is_what_was_judged(tmp_path, trained):
    path = write(trained, tmp_path)
    model = read_model(path)
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["threshold"] == model.threshold
    windows = np.random.default_rng(0).normal(size=(5, 3, 173)).astype(np.float32)
    valid = np.ones((5, 173), np.bool_)
    assert np.array_equal(model.score(windows, valid), trained.model.score(windows, valid))


def test_the_threshold_is_chosen_by_what_the_model_says(trained, made_up_trials):
    model = trained.model
    found = impacts_of(TrialTable.of(made_up_trials(2, 1, 1)), seed=9, least_g=1.8)
    head = Head(
        model.mean, model.scale, model.hidden_weight, model.hidden_bias, model.output_weight,
        model.output_bias,
    )  # fmt: skip
    odds = head.log_odds(model.features(found.motion, found.valid))
    assert len(odds) > 2
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(
        model.score(found.motion, found.valid), abs=1e-4
    )


def test_models_of_the_folds_are_kept_with_whom_they_have_seen(file, trained, tmp_path):
    again = quickly(file, keep_folds=tmp_path / "folds")
    assert again.card == trained.card
    folders = model_folders(tmp_path / "folds")
    trials = list(read_trials([file]))
    known = [each.knows(trials, [fingerprints_of(trial) for trial in trials]) for each in folders]
    assert len(folders) == 2
    assert np.logical_xor(*known).all()
    path = write(again, tmp_path / "whole")
    (whole,) = model_folders(path.parent)
    renamed = [replace(trial, person=None) for trial in trials]
    assert whole.knows(renamed, [fingerprints_of(trial) for trial in renamed]).all()


def test_several_threads_are_refused_as_they_would_round_otherwise(file, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with pytest.raises(UnfitDataError, match="OPENBLAS_NUM_THREADS is 2"):
        quickly(file)


def test_fingerprints_can_be_had_without_a_training(file, trained, tmp_path):
    path = write(trained, tmp_path)
    wanted = fingerprints_file(path).read_bytes()
    fingerprints_file(path).unlink()
    done = CliRunner().invoke(app, ["train", "fingerprints", str(file), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "of 30 trials" in done.stderr
    assert fingerprints_file(path).read_bytes() == wanted
    assert ModelFolder(tmp_path).described(["wrist"]).trials_known


def run(*words):
    return CliRunner().invoke(app, ["train", "falls", *map(str, words)])


def test_the_command_says_what_is_wrong(tmp_path, file):
    missing = run(tmp_path / "none.parquet", "--out", tmp_path)
    assert missing.exit_code == 2
    assert "there is no file or folder" in missing.output
    elsewhere = run(file, "--placement", "waist", "--out", tmp_path)
    assert elsewhere.exit_code == 2
    assert "no trial was worn at the waist; there are: wrist" in elsewhere.output
    many = run(file, "--quick", "--folds", "7", "--out", tmp_path)
    assert many.exit_code == 2
    assert "there are 6 such persons" in many.output
    assert not (tmp_path / "falls_wrist.npz").exists()


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, the development recordings")
def test_the_shipped_cards_speak_of_these_recordings():
    for name, files in {
        "wrist": ("weda", "smartfall_watch", "sphere_daily"),
        "waist": ("sisfall",),
    }.items():
        text = (resources.files("detectors") / "models" / f"falls_{name}.json").read_text("utf-8")
        card = json.loads(text)
        for dataset in files:
            table = parquet.read_table(DATA / f"{dataset}.parquet", columns=["subject", "is_fall"])
            (of_set,) = [each for each in card["data"] if each["dataset"] == dataset]
            assert of_set["trials"] == table.num_rows
            people = {f"{dataset}/{subject}" for subject in table.column("subject").to_pylist()}
            assert people <= set(card["people"])
