from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detectors
from contract.screen import SCREEN_IMPACT_G
from detectors.convolution import make_bank
from detectors.fall_candidates import CandidateFinder
from detectors.fall_features import CHANNELS, NAMES, SPAN, arrange, channels, described
from detectors.fall_model import (
    MANIFEST,
    MODEL_OF,
    FallModel,
    ModelError,
    decode_model,
    encode_model,
    load_model,
    read_model,
    save_model,
    shipped_hash,
)

LARGEST_FILE = 1_200_000
"""Four networks of 64 units on 2,102 features, at two bytes a weight: 1.1 MB."""


def windows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Knocks of any strength and direction on a wearable that turns; (n, 3, SPAN) and valid."""
    random = np.random.default_rng(seed)
    rest = random.normal(size=(count, 3, 2))
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    share = np.clip((np.arange(SPAN) - 90) / 30, 0, 1)
    motion = rest[:, :, :1] * (1 - share) + rest[:, :, 1:] * share
    motion += random.uniform(0.01, 0.4, (count, 1, 1)) * random.normal(size=motion.shape)
    motion[:, :, 99:103] += random.uniform(1, 6, (count, 1, 1)) * random.normal(size=(count, 3, 1))
    return motion.astype(np.float32), np.ones((count, SPAN), np.bool_)


def small_model(**changed: object) -> FallModel:
    random = np.random.default_rng(7)
    noise = random.normal(size=(len(CHANNELS), SPAN, 20)).astype(np.float32)
    bank = make_bank(noise, random, dilations=(1, 6), strides=(1, 2), biases=1)
    features = len(NAMES) + bank.features
    given_ = {
        "placement": "wrist",
        "threshold": 0.6,
        "screen_g": 1.8,
        "bank": bank,
        "mean": random.normal(size=features).astype(np.float32),
        "scale": random.uniform(0.5, 2, features).astype(np.float32),
        "hidden_weight": random.normal(0, 0.05, (8, features)).astype(np.float32),
        "hidden_bias": random.normal(size=8).astype(np.float32),
        "output_weight": random.normal(size=8).astype(np.float32),
        "output_bias": -0.5,
    }
    return FallModel(**(given_ | changed))


@pytest.mark.parametrize("placement", sorted(set(MODEL_OF.values())))
def test_what_ships_is_what_the_manifest_says(placement: str) -> None:
    folder = Path(detectors.__file__).parent / "models"
    path = folder / f"falls_{placement}.npz"
    model = read_model(path)
    assert model.placement == placement
    assert model.screen_g == SCREEN_IMPACT_G[placement]
    assert path.stat().st_size < LARGEST_FILE
    assert json.loads((folder / MANIFEST).read_text())[path.name] == shipped_hash(placement)
    assert encode_model(model) == path.read_bytes()


@pytest.mark.parametrize("placement", sorted(set(MODEL_OF.values())))
def test_all_ways_of_wearing_it_score_the_same(placement: str) -> None:
    model = load_model(placement)
    motion, valid = windows(1, 40)
    scores = model.score(motion, valid)
    assert scores.max() - scores.min() > 0.1
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            turned = motion[:, order] * np.array(signs, np.float32)[:, None]
            np.testing.assert_allclose(model.score(turned, valid), scores, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 300))
def test_a_window_alone_scores_as_among_many(seed: int, count: int) -> None:
    model = load_model("wrist")
    motion, valid = windows(seed, count)
    valid[seed % count, : seed % 90] = False
    which = (seed * 7) % count
    alone = model.score(motion[which : which + 1], valid[which : which + 1])
    np.testing.assert_allclose(model.score(motion, valid)[which], alone[0], atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_stands_in_a_hole_does_not_matter(seed: int) -> None:
    model = load_model("wrist")
    motion, valid = windows(seed, 5)
    random = np.random.default_rng(seed)
    for row in range(5):
        first = int(random.integers(SPAN))
        valid[row, first : first + int(random.integers(1, 60))] = False
    spoilt = np.where(valid[:, None], motion, np.float32(np.nan))
    scores = model.score(spoilt, valid)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, model.score(motion, valid))


def test_nothing_heard_is_no_fall() -> None:
    motion, valid = windows(3, 4)
    valid[:] = False
    assert (load_model("wrist").score(motion, valid) == 0).all()


def test_a_hole_is_filled_with_a_wearable_at_rest() -> None:
    motion, valid = windows(4, 6)
    valid[:, 60:80] = valid[:2, :20] = valid[2:4, 150:] = False
    filled = arrange(motion, valid)
    length = np.linalg.norm(filled, axis=0).T
    np.testing.assert_allclose(length[~valid], 1, atol=1e-5)
    np.testing.assert_array_equal(
        filled.transpose(2, 0, 1).swapaxes(1, 2)[valid], motion.swapaxes(1, 2)[valid]
    )


def test_a_sensor_that_cannot_be_believed_is_not_judged() -> None:
    model = load_model("wrist")
    motion, valid = windows(5, 30)
    assert (model.score(motion, valid) > 0).any()
    motion[:, 0] += 8
    assert (model.score(motion, valid) == 0).all()


def test_features_have_names_and_are_finite() -> None:
    motion, valid = windows(6, 50)
    vector = arrange(motion, valid)
    features = described(vector, channels(vector))
    assert features.shape == (len(NAMES), 50)
    assert len(set(NAMES)) == len(NAMES)
    assert np.isfinite(features).all()


def test_windows_of_another_shape_are_refused() -> None:
    motion, valid = windows(6, 2)
    with pytest.raises(ValueError, match="windows of shape"):
        load_model("wrist").score(motion[:, :, 1:], valid)


def test_a_saved_model_decides_as_it_did(tmp_path: Path) -> None:
    model = small_model()
    digest = save_model(tmp_path / "falls_wrist.npz", model)
    again = read_model(tmp_path / "falls_wrist.npz")
    motion, valid = windows(8, 200)
    # float16 keeps 11 bits of each weight.
    np.testing.assert_allclose(again.score(motion, valid), model.score(motion, valid), atol=2e-3)
    assert again.threshold == model.threshold
    assert save_model(tmp_path / "falls_waist.npz", again) == digest
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest == {"falls_waist.npz": digest, "falls_wrist.npz": digest}


@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_changed_byte_is_refused(
    place: float, change: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("model") / "falls_wrist.npz"
    save_model(path, small_model())
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= change
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not the one that was measured"):
        read_model(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_model(tmp_path / "falls_wrist.npz")


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a file of arrays"):
        decode_model(b"a text")
    np.savez(tmp_path / "other.npz", layout=np.array(0), format=np.array(1))
    with pytest.raises(ModelError, match="its layout is 0"):
        decode_model((tmp_path / "other.npz").read_bytes())
    whole = encode_model(small_model())
    (tmp_path / "whole.npz").write_bytes(whole)
    with (
        zipfile.ZipFile(tmp_path / "whole.npz") as file,
        zipfile.ZipFile(tmp_path / "part.npz", "w") as part,
    ):
        for name in file.namelist():
            if name != "mean.npy":
                part.writestr(name, file.read(name))
    with pytest.raises(ModelError, match="not the arrays of a fall model"):
        decode_model((tmp_path / "part.npz").read_bytes())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": np.zeros(3, np.float32)}, "mean has shape"),
        ({"hidden_bias": np.full(8, np.nan, np.float32)}, "hidden_bias is not finite"),
        ({"output_bias": float("inf")}, "output_bias is not finite"),
        ({"threshold": 1.5}, "a threshold of 1.5"),
        ({"placement": "ankle"}, "no model for 'ankle'"),
    ],
)
def test_a_model_that_cannot_be_is_refused(change: dict, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        small_model(**change)
    with pytest.raises(ModelError, match="scale is not positive"):
        dataclasses.replace(small_model(), scale=np.zeros_like(small_model().scale))


def test_candidates_are_the_windows_around_the_greatest_within_a_second(
    falling: Callable, tell: Callable
) -> None:
    finder, found = CandidateFinder(np.full(3, 1.8, np.float32)), []
    for block in tell([falling(seed, 12.3) for seed in range(3)]).blocks:
        candidates = finder.step(block)
        if candidates is not None:
            found.append(candidates)
            motion, valid = candidates.windows()
            assert motion.shape == (len(candidates.row), 3, SPAN)
            length = np.linalg.norm(motion, axis=1) * valid
            np.testing.assert_array_equal(length[:, 75:126].argmax(axis=1), 25)
    assert {row for each in found for row in each.row} == {0, 1, 2}
