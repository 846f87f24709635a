"""Scenes through the real services, on the virtual clock."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from wardlight.scenes import What, as_json, as_text, play_and_judge, read_scene, run_scene
from wardlight.scenes.schema import schema_text
from wardlight.scenes.words import EXPECTATIONS, HAPPENINGS

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "scenes").glob("*.scene.yaml"))
RECORDINGS = ROOT.parent / "shared" / "data" / "falls"

NIGHT_FALL = """
scene: Night fall
residents:
  ada: {bed: 1-A}
happens:
  - {at: 0, fall: ada}
  - {at: 48, acknowledge: mei}
expect:
  - {page: night carer, about: ada, within: [30, 45], times: 1}
  - {nothing_else: true}
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.partition(".")[0])
def test_the_examples_pass(path):
    outcome = play_and_judge(read_scene(path))
    assert outcome.passed, as_text(outcome)


def test_there_are_examples():
    assert len(EXAMPLES) >= 6


def test_the_same_scene_gives_the_same_report_to_the_byte(read):
    scene = read(NIGHT_FALL)
    first, second = play_and_judge(scene), play_and_judge(scene)
    assert as_json(first) == as_json(second)
    other = play_and_judge(scene, seed=9)
    assert other.seed == 9
    assert as_json(other) != as_json(first)
    assert other.passed, as_text(other)


def test_a_met_scene_exits_with_zero_and_says_so(scene_file):
    out = io.StringIO()
    assert run_scene(scene_file(NIGHT_FALL), out=out, as_json=False) == 0
    text = out.getvalue()
    assert "met     a page to night carer about ada once between 30 and 45 s: it was sent" in text
    assert "ALERT       fall_detected ada" in text
    assert text.endswith("PASSED: 2 of 2 expectations met, 0 alerts, sirens or faults that nobody "
                         "expected.\n")  # fmt: skip


def test_a_missed_scene_exits_with_one_and_names_the_line(scene_file):
    path = scene_file(
        """
        scene: Missed
        residents:
          ada: {}
        happens:
          - {at: 0, press_button: ada}
          - {at: 1, stop: ingest}
          - {at: 2, stop: ingest}
          - {at: 4, resolve: mei}
        expect:
          - {page: mei, within: [5, 12]}
          - {nothing_else: true}
        """
    )
    out = io.StringIO()
    assert run_scene(path, out=out, as_json=False) == 1
    assert f"too early  [{path}:11]" in out.getvalue()
    out = io.StringIO()
    assert run_scene(path, out=out, as_json=True, seed=3) == 1
    report = json.loads(out.getvalue())
    assert report["passed"] is False
    assert report["seed"] == 3
    assert report["file"] == str(path)
    assert [one["met"] for one in report["expectations"]] == [False, False]
    assert [line["detail"] for line in report["not_done"]] == [
        "ingest does not run",
        "there is no alert that is acknowledged or arrived",
    ]
    assert {line["value"] for line in report["unexpected"]} == {"help_requested", "service_silent"}
    assert [line["what"] for line in report["timeline"]].count("page") == 1


def test_an_unusable_scene_exits_with_two(scene_file, capsys):
    path = scene_file("scene: Unusable\nhappens:\n  - {at: 0, fal: ada}\n")
    out = io.StringIO()
    assert run_scene(path, out=out, as_json=False) == 2
    assert out.getvalue() == ""
    assert "did you mean 'fall'?" in capsys.readouterr().err
    assert run_scene(path, out=out, as_json=True) == 2
    assert "did you mean 'fall'?" in json.loads(out.getvalue())["faults"][0]


def test_a_folder_is_played_in_order_and_its_worst_decides(tmp_path):
    good = "scene: {}\nresidents: {{ada: {{}}}}\nexpect: [{{{}: true}}]\nlasts: 3\n"
    (tmp_path / "b.yaml").write_text(good.format("Second", "no_alarm"))
    (tmp_path / "a.yaml").write_text(good.format("First", "nothing_else"))
    out = io.StringIO()
    assert run_scene(tmp_path, out=out, as_json=True) == 0
    assert [json.loads(line)["scene"] for line in out.getvalue().splitlines()] == [
        "First",
        "Second",
    ]
    (tmp_path / "c.yaml").write_text("scene: 3\nexpects: []\n")
    assert run_scene(tmp_path, out=io.StringIO(), as_json=True) == 2
    (tmp_path / "empty").mkdir()
    assert run_scene(tmp_path / "empty", out=out, as_json=True) == 2


@pytest.mark.parametrize("jump_s", [-7200, 7200])
def test_a_wall_clock_that_jumps_moves_nothing_on_the_timeline(play, jump_s):
    outcome = play(
        f"""
        scene: The clock jumps
        residents:
          ada: {{}}
        happens:
          - {{at: 10, jump_clock: {jump_s}}}
          - {{at: 20, press_button: ada}}
          - {{at: 30, acknowledge: mei}}
          - {{at: 40, jump_clock: {-jump_s}}}
          - {{at: 50, arrive: mei}}
        expect:
          - {{page: mei, within: [20, 23], times: 1}}
          - {{alert: help_requested, within: [20, 23], times: 1}}
          - {{state: acknowledged, within: [30, 30.5], times: 1}}
          - {{state: arrived, within: [50, 50.5], times: 1}}
        """
    )
    assert outcome.passed, as_text(outcome)
    times = [line.at_s for line in outcome.lines]
    assert times == sorted(times)
    assert times[-1] <= outcome.scene.end_s()


def test_everything_that_can_happen_happens(play, tmp_path):
    """Each word of the language, at least once, does something or says why it cannot."""
    recording = ROOT / "examples" / "scenes" / "simulated-trials.parquet"
    outcome = play(
        f"""
        scene: Everything
        happens:
          - {{at: 0, fall: ada}}
          - {{at: 0, play: ben, recording: "{recording}", trial: fall-2}}
          - {{at: 0, press_button: cara}}
          - {{at: 1, take_off: dora}}
          - {{at: 2, put_on: dora}}
          - {{at: 2, break_sensor: dora, how: spikes}}
          - {{at: 2, slide: eric, room: corridor}}
          - {{at: 2, nap: eric, room: lounge, minutes: 5}}
          - {{at: 2, sleep: eric, signs: false}}
          - {{at: 2, leave_range: eric}}
          - {{at: 3, return_to_range: eric}}
          - {{at: 3, reboot: fay}}
          - {{at: 3, battery: dora, percent: 5}}
          - {{at: 3, go: dora, room: lounge, minutes: 1}}
          - {{at: 3, go_out: fay, room: corridor}}
          - {{at: 4, open_door: corridor}}
          - {{at: 4, corrupt: fay, share: 0.5}}
          - {{at: 4, share_address: eric, other: fay}}
          - {{at: 5, deafen: gateway-b}}
          - {{at: 6, hear_again: gateway-b}}
          - {{at: 7, stop: broker}}
          - {{at: 8, start: broker}}
          - {{at: 9, jump_clock: 2}}
          - {{at: 9, clock_synced: false}}
          - {{at: 9, phone_off: kin}}
          - {{at: 9, phone_on: kin}}
          - {{at: 10, acknowledge: mei, about: cara}}
          - {{at: 11, arrive: mei, about: cara}}
          - {{at: 12, resolve: mei, about: cara, outcome: drill, note: fine}}
          - {{at: 13, help_up: ada}}
        """
    )
    assert {happening.word for happening in outcome.scene.happens} == set(HAPPENINGS)
    assert outcome.judgement.not_done == []
    told = {(line.value, line.resident) for line in outcome.only(What.TRUTH)}
    assert {("fall_begins", "ada"), ("plays_recording", "ben"), ("presses_button", "cara"),
            ("not_worn", "dora"), ("worn", "dora"), ("not_heard", "eric"), ("reboots", "fay"),
            ("helped_up", "ada")} <= told  # fmt: skip
    assert ("battery_low", "dora") in {(x.value, x.resident) for x in outcome.only("fault")}
    states = [line.value for line in outcome.only("state") if line.resident == "cara"]
    assert states == ["open", "acknowledged", "arrived", "resolved"]


def test_who_is_meant_must_be_clear(play):
    outcome = play(
        """
        scene: Two alerts
        happens:
          - {at: 0, press_button: ada}
          - {at: 0, press_button: ben}
          - {at: 5, acknowledge: mei}
          - {at: 6, acknowledge: mei, about: ben}
          - {at: 7, acknowledge: mei}
        """
    )
    assert [line.detail for line in outcome.judgement.not_done] == [
        "there are 2 alerts (ada, ben): say about whom"
    ]


@pytest.mark.skipif(
    not (RECORDINGS / "weda.parquet").exists(), reason="the development data is not on this machine"
)
def test_a_fall_that_somebody_recorded_is_paged(play):
    recording = RECORDINGS / "weda.parquet"
    outcome = play(
        f"""
        scene: A recorded fall
        residents:
          ada: {{}}
        happens:
          - {{at: 0, play: ada, recording: "{recording}", trial: U02-F06-R01}}
        expect:
          - {{event: fall_suspected, resident: ada, within: [1, 20]}}
          - {{page: mei, about: ada, within: [30, 60], times: 1}}
        """
    )
    assert outcome.passed, as_text(outcome)


def test_the_schema_in_the_documentation_is_that_of_the_code():
    written = (ROOT / "docs" / "scene.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(), "python -m wardlight.scenes > docs/scene.schema.json"


def test_the_schema_knows_every_word():
    schema = json.loads(schema_text())
    assert schema["additionalProperties"] is False
    for name, words in (("happens", HAPPENINGS), ("expect", EXPECTATIONS)):
        items = schema["properties"][name]["items"]["oneOf"]
        assert [item["required"][0] for item in items] == list(words)
        assert all(item["additionalProperties"] is False for item in items)


def test_the_recording_beside_the_examples_is_what_its_script_makes(tmp_path):
    import runpy

    import numpy as np
    from pyarrow import parquet

    folder = ROOT / "examples" / "scenes"
    script = runpy.run_path(str(folder / "make_simulated_trials.py"))
    script["main"](tmp_path / "made.parquet")
    made = parquet.read_table(tmp_path / "made.parquet").to_pylist()
    kept = parquet.read_table(folder / "simulated-trials.parquet").to_pylist()
    assert [row["trial"] for row in made] == [row["trial"] for row in kept]
    for one, other in zip(made, kept, strict=True):
        for axis in ("ax", "ay", "az"):
            # Mathematical libraries of other machines may differ in the last place.
            np.testing.assert_allclose(one[axis], other[axis], atol=2e-4)
