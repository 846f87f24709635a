"""Trials through the gateway and back: what a person who types the command gets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from contract.events import EventKind
from evaluation.falls import Asked, Stress, evaluate, hear
from evaluation.falls.worn import on_every_step
from evaluation.trials import play, read_trials
from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, MOTION_HZ, MotionModel, unit
from wardlight.cli import app

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "falls"

BEFORE_S = 6
HARD = 1.7
"""The simulator's falls reach to the soft side; these hit so many times harder, so that whether
they are found is no question of the model of the day."""
FALLS = (16, 33, 5, 35)
TRANSPORTS = ("stream", "window")
SUSPECTED, DETECTED = EventKind.FALL_SUSPECTED, EventKind.FALL_DETECTED


def falling(seed, after_s):
    """A fall from standing with a mark around it, and what a parquet row says of it."""
    random = np.random.default_rng(seed)
    fall = make_fall(random, HANGING, upright=True)
    standing = np.repeat(unit(HANGING)[:, None], BEFORE_S * MOTION_HZ, axis=1)
    lying = np.repeat(fall.samples_g[:, -1:], round(after_s * MOTION_HZ), axis=1)
    samples = np.concatenate([standing, fall.samples_g, lying], axis=1)
    beyond = np.clip(np.linalg.norm(samples, axis=0) - 1.4, 0, 1)
    samples = samples * (1 + (HARD - 1) * beyond)
    impact_s = BEFORE_S + fall.impact_sample / MOTION_HZ
    samples = samples + random.normal(0, 0.01, samples.shape)
    return samples, {"fall_start_s": impact_s - 1.0, "fall_end_s": impact_s + 1.0}


def walking(seed, seconds):
    model = MotionModel(1, seed)
    model.set_walking(0, True)
    return np.concatenate([model.next_second()[0] for _ in range(seconds)], axis=1)


def row(trial, samples, **said):
    return {
        "dataset": "made",
        "trial": trial,
        "placement": "wrist",
        "rate_hz": float(MOTION_HZ),
        **dict(zip(("ax", "ay", "az"), samples.astype(np.float32).tolist(), strict=True)),
        **said,
    }


def rows():
    made = []
    for number, seed in enumerate(FALLS):
        samples, mark = falling(seed, after_s=40 if number == 0 else 4)
        who = {"subject": f"P{number % 2}", "age_group": "young"}
        made.append(row(f"fall-{number}", samples, activity="F1", is_fall=True, **who, **mark))
    for number in range(4):
        samples = walking(number, 45 if number == 0 else 10)
        age = "older" if number % 2 else "young"
        who = {"subject": f"P{number}", "age_group": age, "activity": "D1"}
        made.append(row(f"walk-{number}", samples, is_fall=False, **who))
    return made


def write(path, trials, drop=()):
    table = pa.Table.from_pylist(
        [{key: each.get(key) for key in {**trials[0], **each}} for each in trials]
    )
    parquet.write_table(table.drop_columns(list(drop)), path)
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return write(tmp_path_factory.mktemp("made") / "made.parquet", rows())


@pytest.fixture(scope="module")
def evaluated(recordings):
    return {each: evaluate(Asked(paths=[recordings], transport=each)) for each in TRANSPORTS}


def suspected(heard):
    return [said for said in heard.said if said.kind is SUSPECTED]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_falls_are_found_where_they_are(evaluated, transport):
    heard = evaluated[transport].heard
    assert [each.trial.trial for each in heard] == [each["trial"] for each in rows()]
    for each in heard:
        said = suspected(each)
        assert bool(said) == each.trial.is_fall, each.trial.trial
        for one in said:
            begin_s, end_s = each.trial.mark_s
            assert begin_s <= one.impact_s <= end_s
            assert 3 <= one.emitted_s - one.impact_s <= 8
            assert 0 < one.score <= 1


def test_a_window_loses_nothing_against_a_stream(evaluated):
    tiers = [evaluated[each].sets["made"].tiers["fall_suspected"] for each in TRANSPORTS]
    assert tiers[1].found == tiers[0].found == 4
    assert tiers[1].daily_alarmed == tiers[0].daily_alarmed == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_second_tier_counts_only_where_there_is_data(evaluated, transport):
    tier = evaluated[transport].sets["made"].tiers["fall_detected"]
    assert (tier.falls, tier.found) == (1, 1)
    assert 30 <= tier.delay_p50_s <= 45
    assert tier.daily_trials == 1
    assert tier.hours == pytest.approx(15 / 3600)


def test_labels_change_nothing_that_is_detected(recordings):
    trials = list(read_trials([recordings]))[:2]
    bare = [
        dataclasses.replace(each, is_fall=None, mark_s=None, person=None, older=None, activity=None)
        for each in trials
    ]
    assert [each.said for each in hear(bare, "stream")] == [
        each.said for each in hear(trials, "stream")
    ]


def test_no_state_goes_from_trial_to_trial(recordings, evaluated):
    turned = list(read_trials([recordings]))[::-1]
    heard = hear(turned, "stream")[::-1]
    for one, other in zip(heard, evaluated["stream"].heard, strict=True):
        assert [said.kind for said in one.said] == [said.kind for said in other.said]
        for left, right in zip(one.said, other.said, strict=True):
            assert left.impact_s == pytest.approx(right.impact_s, abs=0.1)


def test_a_long_trial_beside_it_makes_no_fall_a_long_lie(recordings):
    fall = next(each for each in read_trials([recordings]) if each.is_fall)
    rest = np.repeat(fall.samples_g[:, -1:], round(400 * fall.rate_hz), axis=1)
    long = dataclasses.replace(fall, trial="long", samples_g=rest, is_fall=False, mark_s=None)
    beside, _ = hear([fall, long], "stream")
    (alone,) = hear([fall], "stream")
    assert [said.kind for said in beside.said] == [said.kind for said in alone.said]
    assert [said.kind for said in beside.said] == [SUSPECTED, DETECTED]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_half_of_the_packets_lost_hide_no_fall_that_was_found(recordings, transport):
    trials = [each for each in read_trials([recordings]) if each.is_fall][1:]
    calm, rough = Stress(), Stress(loss=0.5)
    found = [bool(suspected(each)) for each in hear(trials, transport, stress=calm)]
    still = [bool(suspected(each)) for each in hear(trials, transport, stress=rough)]
    assert sum(still) >= sum(found) - (1 if transport == "stream" else 0)


def test_single_missing_samples_cost_no_fall_over_either_transport(recordings):
    random = np.random.default_rng(0)
    trials = []
    for each in read_trials([recordings]):
        if each.is_fall:
            samples = each.samples_g.copy()
            samples[:, random.random(samples.shape[1]) < 0.3] = np.nan
            trials.append(dataclasses.replace(each, samples_g=samples))
    for transport in TRANSPORTS:
        assert all(suspected(each) for each in hear(trials, transport))


def test_only_holes_that_the_grid_bridges_are_bridged():
    rng = np.random.default_rng(0)
    samples = np.tile(np.arange(100, dtype=np.float32) / 50, (3, 1))
    samples[1, 10:12] = np.nan
    samples[:, 40:80] = np.nan
    played = play(samples, 40.0, rng, from_ns=0)
    own = on_every_step(played, 40.0)[:, -100 - 880 : -880]
    assert np.flatnonzero(np.isnan(own).any(axis=0)).tolist() == list(range(40, 80))
    assert own[1, 10:12] == pytest.approx([0.2, 0.22])


# -- the command --------------------------------------------------------------------------------


def command(*words):
    return CliRunner().invoke(app, ["evaluate", "falls", *map(str, words)])


def test_the_figures_as_json(recordings, tmp_path):
    out, lines = tmp_path / "figures.json", tmp_path / "detections.jsonl"
    done = command(recordings, "--json", out, "--detections", lines, "--report", tmp_path / "r")
    assert done.exit_code == 0, done.output
    whole = json.loads(out.read_text())
    made = whole["sets"]["made"]
    assert (made["placement"], made["transport"]) == ("wrist", "stream")
    assert set(made["tiers"]) == {"fall_suspected", "fall_detected"}
    tier = made["tiers"]["fall_suspected"]
    assert set(tier) >= {
        "falls", "found", "sensitivity", "low", "high", "worst_person", "daily_trials",
        "daily_alarmed", "older_trials", "older_alarmed", "hours", "false_alarms", "delay_p50_s",
        "delay_p95_s", "by_activity", "by_subject",
    }  # fmt: skip
    assert (tier["falls"], tier["found"], tier["sensitivity"]) == (4, 4, 1.0)
    assert 0 < tier["low"] < tier["high"] == 1.0
    assert (tier["daily_trials"], tier["older_trials"]) == (4, 2)
    assert tier["false_alarms_per_hour_bound"] == pytest.approx(3 / tier["hours"], rel=0.01)
    assert tier["by_subject"]["P0"]["falls"] == 2
    assert tier["by_activity"]["D1"]["daily_trials"] == 4
    assert len(whole["model"]["hash"]) == 64
    said = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {"fall_suspected", "fall_detected"} == {each["kind"] for each in said}
    for each in said:
        assert list(each) == ["dataset", "trial", "kind", "impact_at", "emitted_at", "score"]
        assert each["emitted_at"] > each["impact_at"]
    for trial in {each["trial"] for each in said}:
        (_,) = {each["score"] for each in said if each["trial"] == trial}
    assert (tmp_path / "r" / "index.html").exists()
    assert "4 of 4" in done.output


def test_without_labels_there_are_detections_only(recordings, tmp_path):
    labels = ("subject", "age_group", "activity", "is_fall", "fall_start_s", "fall_end_s")
    bare = write(tmp_path / "bare.parquet", rows()[:1] + rows()[5:6], drop=labels)
    done = command(bare, "--json", tmp_path / "figures.json")
    assert done.exit_code == 0, done.output
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["trial"] for each in said} == {"fall-0"}
    assert "detections only" in done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["sets"]["made"]
    assert figures["unlabelled"] == 2
    assert figures["tiers"]["fall_suspected"]["falls"] == 0
    assert figures["tiers"]["fall_suspected"]["sensitivity"] is None


def test_what_cannot_be_played_is_skipped_with_its_cause(tmp_path):
    good = rows()[5]
    samples = np.array([good["ax"], good["ay"], good["az"]], np.float32)
    bad = [
        good,
        row("nothing", np.full_like(samples, np.nan), is_fall=False),
        row("empty", samples[:, :0], is_fall=False),
        row("ankle", samples, is_fall=False) | {"placement": "ankle"},
        good,
    ]
    done = command(write(tmp_path / "bad.parquet", bad), "--json", tmp_path / "out.json")
    assert done.exit_code == 0, done.output
    whole = json.loads((tmp_path / "out.json").read_text())
    assert whole["sets"]["made"]["trials"] == 1
    reasons = whole["skipped"]
    assert len(reasons) == 4
    for word in ("nothing holds no measured sample", "empty", "'ankle'", "there twice"):
        assert any(word in reason for reason in reasons), word
        assert word in done.stderr


def test_what_is_doubtful_is_played_and_said(tmp_path):
    fall = rows()[1] | {"dataset": "doubted", "fall_end_s": 0.0}
    metric = {axis: [9.80665 * each for each in rows()[5][axis]] for axis in ("ax", "ay", "az")}
    path = write(tmp_path / "odd.parquet", [fall, rows()[5] | metric])
    out, lines = tmp_path / "out.json", tmp_path / "lines.jsonl"
    done = command(path, "--json", out, "--detections", lines)
    assert done.exit_code == 0, done.output
    whole = json.loads(out.read_text())
    assert whole["sets"]["doubted"]["unlabelled"] == 1
    assert json.loads(lines.read_text().splitlines()[0])["trial"] == fall["trial"]
    assert (whole["skipped"], len(whole["doubts"])) == ([], 2)
    for word in ("its mark ends at 0.0", "are they in g, not in m/s²?"):
        assert word in done.stderr


def test_nothing_is_written_over_or_lost_after_minutes(recordings, tmp_path):
    file, copy = tmp_path / "file", tmp_path / "mine.data"
    file.write_text("")
    copy.write_bytes(recordings.read_bytes())
    for words in (
        (recordings, "--report", file),
        (recordings, "--report", file / "below"),
        (recordings, "--json", file, "--detections", file),
        (recordings, "--json", recordings),
        (copy, "--detections", copy),
        (recordings, "--json", tmp_path / "other.parquet"),
    ):
        done = command(*words)
        assert done.exit_code == 2, words
        assert "Traceback" not in done.output
    assert copy.read_bytes() == recordings.read_bytes()
    assert sorted(tmp_path.iterdir()) == [file, copy]


def test_a_bad_file_among_others_is_named_and_left_out(recordings, tmp_path):
    folder = tmp_path / "all"
    folder.mkdir()
    good = write(folder / "good.parquet", rows()[5:6])
    (folder / "text.parquet").write_text("no parquet")
    write(folder / "without.parquet", rows()[:1], drop=["az"])
    damaged = write(folder / "damaged.parquet", [row("d", walking(0, 10)) for _ in range(3)])
    whole = damaged.read_bytes()
    at = len(whole) // 2
    damaged.write_bytes(whole[: at - 4000] + bytes(8000) + whole[at + 4000 :])
    out = tmp_path / "out.json"
    done = command(folder, "--json", out)
    assert done.exit_code == 1, done.output
    said = json.loads(out.read_text())
    assert len(said["unreadable"]) == 3
    for name in ("text", "without", "damaged"):
        assert any(f"{name}.parquet" in reason for reason in said["unreadable"]), name
        assert f"{name}.parquet" in done.stderr
    assert said["sets"]["made"]["trials"] == 1
    missing = command(good, tmp_path / "none.parquet", "--json", tmp_path / "no.json")
    assert missing.exit_code == 2
    assert "there is no file or folder" in missing.stderr
    assert not (tmp_path / "no.json").exists()


def test_what_fall_detected_can_show_is_said(tmp_path):
    path = write(tmp_path / "two.parquet", rows()[4:6])
    done = command(path, "--report", tmp_path / "r", "--json", tmp_path / "o.json")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r" / "index.html").read_text().replace("&#x27;", "'")
    words = "fall_detected shows in 0 of 0 falls and 1 of 2 daily trials (older people's: 0 of 1)"
    assert words in done.stdout
    assert words in page
    tiers = json.loads((tmp_path / "o.json").read_text())["sets"]["made"]["tiers"]
    detected = tiers["fall_detected"]
    assert (detected["covered_trials"], detected["short_trials"]) == (1, 1)


def test_what_cannot_be_read_is_refused(recordings, tmp_path):
    text = tmp_path / "text.parquet"
    text.write_text("not parquet")
    without = write(tmp_path / "without.parquet", rows()[:1], drop=["az"])
    lone = row("lone", np.full((3, 50), np.nan), is_fall=True)
    silent = write(tmp_path / "silent.parquet", [lone])
    for words, reason in (
        ((tmp_path / "none.parquet",), "none.parquet"),
        ((text,), "parquet"),
        ((without,), "no column az"),
        ((silent,), "no trial could be played"),
        ((recordings, "--model", tmp_path), "holds no fall models"),
        ((recordings, "--clip-g", 0.5), "clips at 1.5 to 8 g"),
        ((recordings, "--rate", 2), "5 to 400 Hz"),
        ((recordings, "--loss", 1.5), "a share from 0"),
        ((recordings, "--json", tmp_path / "no" / "such.json"), "cannot be written"),
    ):
        done = command(*words)
        assert done.exit_code == 2, words
        assert reason in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.output


# -- development data -----------------------------------------------------------------------------


def test_recorded_falls_come_over_both_transports_alike():
    path = DATA / "weda.parquet"
    if not path.exists():
        pytest.skip(f"no development data at {path}")
    mine = [each for each in read_trials([path]) if each.person == "weda/U01" and each.is_fall]
    trials = mine[::2]
    stream, window = (
        sum(bool(suspected(each)) for each in hear(trials, each_way)) for each_way in TRANSPORTS
    )
    assert stream >= 0.8 * len(trials)
    assert abs(window - stream) <= 1
