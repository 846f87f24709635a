from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.layouts import Unreadable, import_motion, read_back, trials
from firmware_sim.layouts.numbers import NOTE_CUT


def test_counts_become_g_exactly_at_the_native_rate(published):
    counts = published.sisfall_counts()
    counts[:, 10] = [4095, -4096, 17]
    published.write("SisFall_dataset/SA01/F05_SA01_R03.txt", published.sisfall_text(counts))
    [trial] = trials(published.root)
    np.testing.assert_array_equal(trial.samples_g, (counts * (32 / 8192)).astype(np.float32))
    assert trial.samples_g[0, 10] == 15.99609375
    assert trial._replace(samples_g=None) == trial._replace(
        samples_g=None,
        dataset="sisfall",
        trial="SA01-F05-R03",
        subject="SA01",
        placement="waist",
        age_group="young",
        activity="F05",
        is_fall=True,
        fall_start_s=None,
        fall_end_s=None,
        rate_hz=200.0,
        source="SisFall_dataset/SA01/F05_SA01_R03.txt",
        notes=(),
    )


def test_the_other_accelerometer_must_be_asked_for(published):
    counts = published.sisfall_counts()
    mma = counts * 4 + 1
    published.write("SE06/D01_SE06_R01.txt", published.sisfall_text(counts, mma))
    [trial] = trials(published.root, layout="sisfall_mma8451")
    np.testing.assert_array_equal(trial.samples_g, (mma * (16 / 16384)).astype(np.float32))
    assert trial.dataset == "sisfall_mma8451"
    assert trial.age_group == "older"


@pytest.mark.parametrize("windows", [False, True])
def test_a_line_without_its_semicolon_was_cut_inside_a_number(published, windows):
    counts = published.sisfall_counts()
    text = published.sisfall_text(counts).removesuffix(";") + "\n\n"
    published.write("SA01/D01_SA01_R01.txt", text, windows=windows)
    [trial] = trials(published.root)
    assert trial.samples_g.shape[1] == counts.shape[1] - 1
    assert trial.notes == (NOTE_CUT,)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: "", "empty"),
        (lambda text: text.replace(";", ""), "semicolon"),
        (lambda text: text.replace(", -18,", ",", 1), "Row #1"),
        (lambda text: text.replace("-504", "-5O4", 1), "-5O4"),
        (lambda text: text[:400], "too short"),
        (lambda text: "9" * 30 + text.lstrip(), "reaches"),
    ],
)
def test_damaged_files_are_named(published, out, damage, reason):
    good = published.sisfall_text(published.sisfall_counts())
    published.write("SA01/D01_SA01_R01.txt", good)
    published.write("SA01/D02_SA01_R01.txt", damage(good))
    published.write("SA01/Readme.txt", "not a trial")
    report = import_motion(published.root, out)
    assert report.trials == 1
    [skip] = report.skipped
    assert skip.source == "SA01/D02_SA01_R01.txt"
    assert reason in skip.reason


def test_four_people_who_are_read_in_order_from_a_subfolder(published, out):
    for seed, person in enumerate(("SE01", "SA02", "SA10", "SA01")):
        text = published.sisfall_text(published.sisfall_counts(seed=seed))
        published.write(f"SisFall/{person}/D01_{person}_R01.txt", text)
    report = import_motion(published.root / "SisFall" / "SA10", out)
    assert report.people == 1
    import_motion(published.root, out)
    assert [trial.subject for trial in read_back(out)] == ["SA01", "SA02", "SA10", "SE01"]


def test_a_broken_link_is_unreadable(published):
    published.write("SA01/D01_SA01_R01.txt", published.sisfall_text(published.sisfall_counts()))
    (published.root / "SA01/D02_SA01_R01.txt").symlink_to(published.root / "gone.txt")
    _, gone = trials(published.root)
    assert gone == Unreadable("SA01/D02_SA01_R01.txt", "No such file or directory")
