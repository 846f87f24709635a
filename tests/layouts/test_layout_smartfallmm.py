from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.layouts import LayoutError, SkipKind, import_motion, read_back, trials
from firmware_sim.layouts.numbers import NOTE_BACKWARD, NOTE_GAP
from firmware_sim.layouts.smartfallmm import NOTE_NOMINAL, NOTE_OTHER_RATE

START_MS = 1_690_000_000_000


def dates(stamps_s):
    moments = np.datetime64("2023-07-12T13:01:05", "ms") + np.round(stamps_s * 1000).astype(int)
    return [str(moment).replace("T", " ") for moment in moments]


SPELLINGS = {
    "milliseconds": lambda s: [f"{START_MS + 1000 * t:.0f}" for t in s],
    "nanoseconds": lambda s: [str(START_MS * 1_000_000 + round(t * 1e9)) for t in s],
    "seconds": lambda s: [f"{t:.4f}" for t in s],
    "dates": dates,
    "zoned dates": lambda s: [f"{text}+08:00" for text in dates(s)],
}


def watch(
    published, name="young/accelerometer/watch/S28A10T01.csv", *, seed=0, rate=32.0, spell=None
):
    motion = published.motion(8, rate, seed)
    stamps = published.bursts(motion.shape[1], rate, per_burst=16)
    spell = spell or SPELLINGS["milliseconds"]
    published.write(name, published.smartfall_watch(motion, spell(stamps)))
    return motion


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_watch_trial_with_stamps_of_any_spelling(published, spelling):
    motion = watch(published, spell=SPELLINGS[spelling])
    [trial] = trials(published.root)
    np.testing.assert_allclose(trial.samples_g, motion, atol=1e-6)
    assert (trial.dataset, trial.trial, trial.subject) == (
        "smartfall_watch",
        "young-S28-A10-T01",
        "young-S28",
    )
    assert (trial.age_group, trial.activity, trial.is_fall) == ("young", "A10", True)
    assert trial.rate_hz == 32.0, "bursts explain the difference to the nominal rate"
    assert trial.notes == ()


@pytest.mark.parametrize(("activity", "fall"), [("A09", False), ("A10", True), ("A14", True)])
def test_which_activities_are_falls(published, activity, fall):
    watch(published, f"old/accelerometer/watch/S03{activity}T02.csv")
    [trial] = trials(published.root)
    assert (trial.is_fall, trial.age_group, trial.trial) == (
        fall,
        "older",
        f"old-S03-{activity}-T02",
    )


def test_stamps_that_run_backwards_keep_the_order_and_rate(published):
    def backwards(stamps):
        stamps = stamps.copy()
        stamps[64:80] -= 0.6
        return SPELLINGS["milliseconds"](stamps)

    motion = watch(published, spell=backwards)
    [trial] = trials(published.root)
    np.testing.assert_allclose(trial.samples_g, motion, atol=1e-6)
    assert NOTE_BACKWARD in trial.notes
    assert trial.rate_hz == 32.0


def test_useless_stamps_leave_the_stated_rate_to_the_watch_alone(published):
    def constant(stamps):
        return ["1690000000000"] * len(stamps)

    watch(published, spell=constant)
    watch(published, "young/accelerometer/phone/S28A10T01.csv", seed=1, spell=constant)
    phone, on_watch = trials(published.root)
    assert (on_watch.rate_hz, on_watch.notes) == (32.0, (NOTE_NOMINAL,))
    assert "no column of time stamps tells a rate" in phone.reason


def test_a_hole_of_two_seconds_is_noted(published):
    def hole(stamps):
        return SPELLINGS["seconds"](np.where(stamps < 4, stamps, stamps + 2))

    watch(published, spell=hole)
    [trial] = trials(published.root)
    assert (trial.rate_hz, trial.notes) == (32.0, (NOTE_GAP,))


def test_stamps_that_contradict_the_nominal_rate_win(published):
    watch(published, rate=100.0)
    [trial] = trials(published.root)
    assert trial.rate_hz == pytest.approx(100, rel=0.03)
    assert NOTE_OTHER_RATE in trial.notes


def meta(published, name, seed):
    motion = published.motion(6, 50.0, seed)
    rows = zip(np.arange(300), *motion, strict=True)
    text = "".join(
        f"{START_MS + 20 * i},2023-07-22T04:26:{i // 50:02d}.{i % 50 * 20:03d},{i * 0.02:.3f},"
        f"{x:.4f},{y:.4f},{z:.4f}\n"
        for i, x, y, z in rows
    )
    published.write(name, text, windows=True)


def test_each_device_has_its_columns_unit_and_placement(published, out):
    watch(published)
    watch(published, "young/accelerometer/phone/S28A10T01.csv", seed=1, rate=48.0)
    meta(published, "young/accelerometer/meta_wrist/S28A10T01.csv", 2)
    meta(published, "young/accelerometer/meta_hip/S28A10T01.csv", 3)
    published.write("young/gyroscope/watch/S28A10T01.csv", "1,2,3,4\n")
    report = import_motion(published.root, out)
    rows = {row.trial: row for row in read_back(out)}
    assert {name: (row.dataset, row.placement) for name, row in rows.items()} == {
        "young-S28-A10-T01": ("smartfall_watch", "wrist"),
        "young-S28-A10-T01-phone": ("smartfall_phone", "phone"),
        "young-S28-A10-T01-meta_wrist": ("smartfall_meta_wrist", "wrist"),
        "young-S28-A10-T01-meta_hip": ("smartfall_meta_hip", "waist"),
    }
    assert rows["young-S28-A10-T01-meta_hip"].rate_hz == pytest.approx(50)
    for row in rows.values():
        assert np.median(row.samples_g[2]) == pytest.approx(1, abs=0.05)
    assert report.by_placement == {"phone": 1, "waist": 1, "wrist": 2}
    assert report.people == 1


@pytest.mark.parametrize(
    ("asked", "got"),
    [("wrist", {"watch", "meta_wrist"}), ("watch", {"watch"}), ("waist", {"meta_hip"})],
)
def test_one_placement_may_be_asked_for(published, asked, got):
    watch(published)
    meta(published, "young/accelerometer/meta_wrist/S28A10T01.csv", 2)
    meta(published, "young/accelerometer/meta_hip/S28A10T01.csv", 3)
    found = {
        trial.dataset.removeprefix("smartfall_")
        for trial in trials(published.root, placement=asked)
    }
    assert found == got


def test_a_placement_that_the_set_does_not_have(published, out):
    watch(published)
    with pytest.raises(LayoutError, match="no placement 'ankle', only wrist, waist, watch"):
        import_motion(published.root, out, placement="ankle")


def test_a_subject_whose_files_repeat_anothers_is_left_out(published, out):
    for subject in ("S28", "S29"):
        for attempt in (1, 2):
            watch(published, f"young/accelerometer/watch/{subject}A10T0{attempt}.csv", seed=attempt)
    # The copy has other stamps and line ends; the samples tell.
    path = published.root / "young/accelerometer/watch/S29A10T01.csv"
    lines = [
        f"{5 + i * 0.031:.3f},{line.split(',', 1)[1]}"
        for i, line in enumerate(path.read_text().splitlines())
    ]
    published.write("young/accelerometer/watch/S29A10T01.csv", "\n".join(lines), windows=True)
    report = import_motion(published.root, out)
    assert [row.subject for row in read_back(out)] == ["young-S28", "young-S28"]
    assert [(skip.kind, skip.source) for skip in report.skipped] == [
        (SkipKind.REPEAT, "young/accelerometer/watch/S29A10T01.csv"),
        (SkipKind.REPEAT, "young/accelerometer/watch/S29A10T02.csv"),
    ]
    assert (
        "holds the samples of young/accelerometer/watch/S28A10T01.csv" in report.skipped[0].reason
    )
    assert (report.repeats, report.unreadable, report.exit_status) == (2, 0, 0)


def test_a_watch_file_in_g_is_not_taken(published):
    published.write(
        "young/accelerometer/watch/S28A10T01.csv",
        published.smartfall_watch(
            published.motion(5, 32) / 9.80665, SPELLINGS["seconds"](np.arange(160) / 32)
        ),
    )
    [bad] = trials(published.root)
    assert "unit" in bad.reason


@pytest.mark.parametrize("stamp", ["tomorrow", "nan", "", "inf"])
def test_a_stamp_that_is_none(published, stamp):
    watch(published, "young/accelerometer/phone/S28A10T01.csv")
    path = published.root / "young/accelerometer/phone/S28A10T01.csv"
    lines = path.read_text().splitlines()
    lines[3] = ",".join([stamp, *lines[3].split(",")[1:]])
    path.write_text("\n".join(lines))
    [bad] = trials(published.root)
    assert "stamp" in bad.reason
