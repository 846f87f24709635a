from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.layouts import (
    RecordedTrial,
    RefusedLayoutError,
    SkipKind,
    UnknownLayoutError,
    Unreadable,
    detect_layout,
    import_motion,
    read_back,
    trials,
)
from firmware_sim.layouts.numbers import NOTE_BACKWARD, NOTE_CUT, NOTE_GAP
from firmware_sim.layouts.weda import (
    NOTE_NO_MARK,
    NOTE_NO_MARKS_FILE,
    NOTE_ODD_MARK,
    NOTE_SATURATES,
    read_marks,
)

G = 9.80665
DATA_COLUMNS = "accel_time_list,accel_x_list,accel_y_list,accel_z_list\n"


def only(folder):
    found = list(trials(folder))
    assert len(found) == 1
    return found[0]


def test_the_whole_repository_is_read_from_its_40hz_folder(published, out):
    for rate, hz in (("50Hz", 49.8), ("40Hz", 39.9), ("25Hz", 25), ("10Hz", 10), ("5Hz", 8.1)):
        published.weda_file("F01", 1, 1, rate=rate, rate_hz=39.9 if rate == "50Hz" else hz)
        published.weda_file("D01", 1, 1, rate=rate, rate_hz=hz)
        published.weda_file("D03", 21, 2, rate=rate, rate_hz=hz)
    published.weda_marks("F01/U01_R01_accel.csv,3.0,6.0")
    report = import_motion(published.root, out)
    rows = {trial.trial: trial for trial in read_back(out)}
    assert list(rows) == ["U01-D01-R01", "U21-D03-R02", "U01-F01-R01"]
    assert {row.dataset for row in rows.values()} == {"weda"}
    assert rows["U01-F01-R01"].is_fall
    assert (rows["U01-F01-R01"].fall_start_s, rows["U01-F01-R01"].fall_end_s) == (3.0, 6.0)
    assert [row.age_group for row in rows.values()] == ["young", "older", "young"]
    assert all(38 < row.rate_hz < 41 for row in rows.values())
    assert (report.trials, report.people, report.falls, report.exit_status) == (3, 2, 1, 0)
    assert report.hours == pytest.approx(3 * 8 / 3600, rel=0.01)


@pytest.mark.parametrize("below", ["", "dataset", "dataset/40Hz", "dataset/40Hz/F01"])
def test_any_folder_of_the_set_will_do_and_finds_its_marks(published, below):
    published.weda_file("F01", 2, 3, base="WEDA-FALL-main/dataset")
    published.weda_marks("F01/U02_R03,2.5,5.5", base="WEDA-FALL-main/dataset")
    folder = published.root / "WEDA-FALL-main" / below
    assert detect_layout(folder).layout == "weda"
    assert only(folder).fall_start_s == pytest.approx(2.5)


def test_the_50hz_folder_is_refused_with_the_reason(published, out):
    published.weda_file("F01", rate="50Hz")
    published.weda_file("D01", rate="50Hz", rate_hz=49.8)
    published.weda_file("D01", rate="25Hz", rate_hz=25)
    with pytest.raises(RefusedLayoutError, match=r"falls run at 39\.9 Hz.*49\.8 Hz.*label away"):
        import_motion(published.root / "dataset/50Hz", out)
    with pytest.raises(RefusedLayoutError, match=r"50Hz.*25Hz.*40Hz folder"):
        import_motion(published.root, out)
    assert not out.exists()


@pytest.mark.parametrize("rate", ["25Hz", "10Hz", "5Hz"])
def test_decimated_folders_are_refused(published, rate):
    published.weda_file("F01", rate=rate)
    with pytest.raises(RefusedLayoutError, match="every nth sample of bursts"):
        list(trials(published.root))


def test_a_50hz_folder_that_was_renamed_is_refused(published):
    published.weda_file("F01", rate_hz=39.9)
    for user in range(1, 8):
        published.weda_file("D02", user, rate_hz=49.8)
    with pytest.raises(RefusedLayoutError, match=r"called 40Hz.*run at 49\.\d Hz"):
        list(trials(published.root))


def test_one_trial_at_another_rate_is_left_out(published):
    for user in range(1, 6):
        published.weda_file("D02", user)
    published.weda_file("F08", 1, rate_hz=49.9)
    *good, bad = trials(published.root)
    assert [trial.subject for trial in good] == ["U01", "U02", "U03", "U04", "U05"]
    assert isinstance(bad, Unreadable)
    assert bad.source.endswith("F08/U01_R01_accel.csv")
    assert "gives the label away" in bad.reason


def test_conversion_to_g_is_exact_and_the_axis_uniform(published):
    motion = np.array([[9.80665, -39.2, 0.1] * 40, [0.0, 0.1, 0.2] * 40, [0.0, 0.3, 9.8] * 40]) / G
    stamps = published.bursts(120, 40.0)
    text = DATA_COLUMNS + "".join(
        f"{t},{x},{y},{z}\n" for t, x, y, z in zip(stamps, *(motion * G), strict=True)
    )
    published.write("dataset/40Hz/D01/U03_R01_accel.csv", text)
    trial = only(published.root)
    np.testing.assert_array_equal(trial.samples_g, motion.astype(np.float32))
    assert trial.rate_hz == pytest.approx(119 / (stamps[-1] - stamps[0]))
    assert trial.samples_g.flags.c_contiguous
    assert NOTE_SATURATES not in trial.notes or abs(trial.samples_g).max() >= 3.99
    assert NOTE_SATURATES in trial.notes


def test_backward_steps_and_gaps_are_noted_and_the_order_kept(published):
    motion = published.motion(5, 40, seed=5)
    stamps = published.bursts(200, 40.0)
    stamps[100:104] = stamps[92:96] - 0.01
    stamps[150:] += 0.4
    published.write("dataset/40Hz/D01/U03_R01_accel.csv", published.weda_text(motion, stamps))
    trial = only(published.root)
    assert set(trial.notes) == {NOTE_BACKWARD, NOTE_GAP}
    assert trial.rate_hz == pytest.approx(199 / 5.303, rel=0.01)
    np.testing.assert_allclose(trial.samples_g, motion, atol=0.006)


def test_windows_line_ends_and_a_cut_last_line(published):
    plain = published.weda_file("D01", 1)
    text = plain.read_text()
    published.write("dataset/40Hz/D01/U02_R01_accel.csv", text, windows=True)
    published.write("dataset/40Hz/D01/U03_R01_accel.csv", text + "8.01,-0.3", windows=True)
    published.write("dataset/40Hz/D01/U04_R01_accel.csv", text + "8.01,-0.3,0.2,-")
    first, *others = trials(published.root)
    for other in others:
        np.testing.assert_array_equal(other.samples_g, first.samples_g)
    assert [NOTE_CUT in trial.notes for trial in (first, *others)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\r\n\r\n", "empty"),
        (DATA_COLUMNS.encode(), "no complete line"),
        (b"time,x,y,z\n0,0,0,9.8\n", "header"),
        (DATA_COLUMNS.encode() + b"0,0,0,9.8\n" * 5, "no rate"),
        (DATA_COLUMNS.encode() + b"0,0,0,9.8\n0.1,0,9.8\n0.2,0,0,9.8\n", "Row #2"),
        (DATA_COLUMNS.encode() + b"0,0,0,9.8\n0.1,0,,9.8\n0.2,0,0,9.8\n", "value is missing"),
        (DATA_COLUMNS.encode() + b"0,0,0,9.8\n0.1,0,abc,9.8\n0.2,0,0,9.8\n", "abc"),
        (b"\x00\xff\xfe" * 100, "header"),
    ],
)
def test_a_damaged_file_is_named_and_the_others_go_on(published, out, content, reason):
    published.weda_file("D01", 1)
    published.write("dataset/40Hz/D01/U02_R01_accel.csv", content)
    published.weda_file("D01", 3)
    report = import_motion(published.root, out)
    assert [trial.subject for trial in read_back(out)] == ["U01", "U03"]
    [skip] = report.skipped
    assert (skip.source, skip.kind) == (
        "dataset/40Hz/D01/U02_R01_accel.csv",
        SkipKind.UNREADABLE,
    )
    assert reason in skip.reason
    assert (report.unreadable, report.exit_status) == (1, 1)


def test_motion_in_the_wrong_unit_is_not_taken(published):
    motion = published.motion(5, 40) / G
    text = published.weda_text(motion * 1.02, published.bursts(200, 40.0))
    published.write("dataset/40Hz/D01/U03_R01_accel.csv", text)
    assert "unit" in only(published.root).reason


def test_too_short_for_a_trial(published):
    published.weda_file("D01", seconds=0.7)
    assert "too short" in only(published.root).reason


def test_marks_missing_odd_and_damaged(published, out):
    for user in range(1, 5):
        published.weda_file("F02", user)
    path = published.weda_marks(
        "F02/U01_R01,4.0,6.5",
        "F02/U02_R01,6.5,4.0",
        "F02/U03_R01,four,5",
        "",
        "nonsense,1,2",
        windows=True,
    )
    report = import_motion(published.root, out)
    marks = [(t.fall_start_s, t.fall_end_s) for t in read_back(out)]
    assert marks == [(4.0, 6.5), (None, None), (None, None), (None, None)]
    assert [skip.source for skip in report.skipped] == [
        "dataset/fall_timestamps.csv:4",
        "dataset/fall_timestamps.csv:6",
    ]
    assert report.notes[NOTE_ODD_MARK] == 1
    assert report.notes[NOTE_NO_MARK] == 2
    path.unlink()
    report = import_motion(published.root, out)
    assert report.notes[NOTE_NO_MARKS_FILE] == 1
    assert report.exit_status == 0


def test_marks_count_from_the_first_sample(published):
    motion = published.motion(8, 40)
    text = published.weda_text(motion, published.bursts(320, 40.0) + 1.5)
    published.write("dataset/40Hz/F03/U01_R02_accel.csv", text)
    published.weda_marks("F03/U01_R02_accel.csv,4.0,7.0")
    assert only(published.root).fall_start_s == pytest.approx(2.5)


@pytest.mark.parametrize(
    "name",
    ["F01/U01_R02", "F01/U01_R02_accel.csv", "./50Hz/F01/U01_R02_accel.csv", "F01\\U01_R02"],
)
def test_marks_by_any_spelling_of_the_file(name):
    marks, bad = read_marks(f"\ufefffilename,start_time,end_time\n{name},1,2\n".encode())
    assert (marks, bad) == ({"U01-F01-R02": (1.0, 2.0)}, [])


def test_files_outside_a_rate_folder_are_only_the_nearest_match(published):
    published.write("copied/U01_R01_accel.csv", "x")
    with pytest.raises(UnknownLayoutError, match="Nearest: weda, 1 files"):
        detect_layout(published.root)


def test_the_age_is_unknown_between_the_groups(published):
    published.weda_file("D01", 17)
    trial = only(published.root)
    assert isinstance(trial, RecordedTrial)
    assert trial.age_group is None
