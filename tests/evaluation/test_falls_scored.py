"""What was said against what the recordings say: found, alarmed, covered, whose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import EventKind
from evaluation.falls.curve import Impact, alarms_at, trade_off
from evaluation.falls.hearing import Heard, Said
from evaluation.falls.models import JudgedModel
from evaluation.falls.page import SetReport, write_report
from evaluation.falls.scoring import score
from evaluation.falls.stress import Stress, at_rate
from evaluation.falls.words import about_set
from evaluation.intervals import greatest_rate, share_by_person, wilson
from evaluation.trials import Trial

RATE_HZ = 20.0
SUSPECTED, DETECTED = EventKind.FALL_SUSPECTED, EventKind.FALL_DETECTED


def trial(name="t", seconds=10.0, **said):
    samples = np.zeros((3, round(seconds * RATE_HZ)), np.float32)
    samples[2] = 1.0
    samples[2, samples.shape[1] // 2] = 4.0
    known = {"dataset": "made", "person": "made/A", "placement": "wrist", "is_fall": True} | said
    return Trial(trial=name, rate_hz=RATE_HZ, samples_g=samples, **known)


def heard(of, *impacts_s, kind=SUSPECTED, after_s=4.5):
    said = [Said(kind, at_s, at_s + after_s, 0.9, f"fall-{at_s}") for at_s in impacts_s]
    return Heard(of, said, frozenset())


def tier(*members, of="fall_suspected"):
    sets = score(members, "stream")
    return sets["made"].tiers[of]


@pytest.mark.parametrize(
    ("impact_s", "mark_s", "found"),
    [
        (3.6, (4.0, 6.0), 1),
        (6.4, (4.0, 6.0), 1),
        (3.4, (4.0, 6.0), 0),
        (6.6, (4.0, 6.0), 0),
        (0.1, None, 1),
        (9.9, None, 1),
        (-0.4, None, 0),
        (10.4, None, 0),
    ],
)
def test_a_fall_is_found_at_its_place(impact_s, mark_s, found):
    counted = tier(heard(trial(mark_s=mark_s), impact_s))
    assert (counted.falls, counted.found) == (1, found)
    assert counted.outside_mark == 1 - found


def test_an_alarm_beside_the_mark_hides_nothing():
    counted = tier(heard(trial(mark_s=(4.0, 6.0)), 1.0, 5.0))
    assert (counted.found, counted.outside_mark, counted.false_alarms) == (1, 1, 0)


def test_daily_trials_are_counted_once_and_alarms_each():
    counted = tier(
        heard(trial("a", is_fall=False, older=True), 1.0, 9.0),
        heard(trial("b", is_fall=False, older=False)),
        heard(trial("c", is_fall=False)),
    )
    assert (counted.daily_trials, counted.daily_alarmed, counted.false_alarms) == (3, 1, 2)
    assert (counted.older_trials, counted.older_alarmed) == (1, 1)
    assert (counted.young_trials, counted.young_alarmed) == (1, 0)
    assert counted.hours == pytest.approx(30 / 3600)
    assert counted.false_alarms_per_hour == pytest.approx(2 / counted.hours)
    assert counted.sensitivity is None
    assert counted.worst_person is None


def test_the_worst_person_and_the_delays():
    counted = tier(
        heard(trial("a"), 5.0, after_s=4.0),
        heard(trial("b"), 5.0, after_s=5.0),
        heard(trial("c", person="made/B")),
        heard(trial("d", person="made/B"), 5.0, after_s=4.5),
    )
    assert (counted.worst_person, counted.worst_person_is) == (0.5, "B")
    assert counted.delay_p50_s == pytest.approx(4.5)
    assert counted.by_subject["B"].found == 1


def test_a_timer_that_runs_into_the_padding_says_nothing():
    late = heard(trial("late", seconds=60, mark_s=(40.0, 42.0)), 41.0, kind=DETECTED)
    early = heard(trial("early", seconds=60, mark_s=(20.0, 22.0)), 21.0, kind=DETECTED)
    daily = heard(trial("daily", seconds=60, is_fall=False), 10.0, 40.0, kind=DETECTED)
    short = heard(trial("short", seconds=29, is_fall=False), 1.0, kind=DETECTED)
    counted = tier(late, early, daily, short, of="fall_detected")
    assert (counted.falls, counted.found) == (1, 1)
    assert (counted.daily_trials, counted.false_alarms) == (1, 1)
    assert (counted.covered_trials, counted.short_trials) == (2, 2)
    assert counted.hours == pytest.approx(30 / 3600)


def test_people_of_the_training_are_left_out_and_shown_apart():
    members = [heard(trial("a"), 5.0), heard(trial("b", person="made/B"))]
    figures = score(members, "stream", {("made", "a"), ("other", "b")})["made"]
    headline = figures.tiers["fall_suspected"]
    assert (figures.trials, headline.falls, headline.found) == (1, 1, 0)
    assert figures.in_training.people == ["made/A"]
    assert figures.in_training.tiers["fall_suspected"].falls == 2
    assert score(members, "stream")["made"].in_training is None


def test_whoever_is_not_named_is_no_cluster():
    nobody = [heard(trial(str(each), person=None), 5.0) for each in range(5)]
    counted = tier(*nobody)
    assert "independent" in counted.interval
    assert score(nobody, "stream")["made"].without_subject == 5


def test_a_set_worn_at_two_places_is_two():
    sets = score([heard(trial("a")), heard(trial("b", placement="waist"))], "stream")
    assert list(sets) == ["made wrist", "made waist"]


def test_a_set_that_is_called_as_another_at_its_place_is_another():
    members = [
        heard(trial("a", dataset="a", placement="wrist")),
        heard(trial("b", dataset="a", placement="waist"), 5.0),
        heard(trial("c", dataset="a waist", placement="wrist")),
    ]
    sets = score(members, "stream")
    assert list(sets) == ["a wrist", "a waist", "a waist wrist"]
    assert [each.tiers["fall_suspected"].found for each in sets.values()] == [0, 1, 0]
    assert list(score(members[::2], "stream")) == ["a", "a waist"]


def test_faults_are_counted_by_cause():
    spoilt = heard(trial("b"), 5.0)._replace(faults=frozenset({"sensor_fault", "battery_low"}))
    figures = score([heard(trial("a")), spoilt, spoilt], "stream")["made"]
    assert figures.faults == {"battery_low": 2, "sensor_fault": 2}
    assert "battery_low in 2, sensor_fault in 2." in " ".join(about_set(figures))


def test_without_a_label_nothing_is_counted():
    figures = score([heard(trial(is_fall=None), 5.0)], "stream")["made"]
    assert (figures.trials, figures.unlabelled) == (0, 1)
    assert figures.tiers["fall_suspected"].false_alarms == 0


# -- intervals ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_an_interval_holds_its_share_and_is_not_narrower_than_wilsons(people):
    hits = [hit for hit, _ in people]
    trials = [hit + missed + 1 for hit, missed in people]
    low, high, _ = share_by_person(hits, trials)
    least, greatest = wilson(sum(hits), sum(trials))
    assert 0 <= low <= least <= sum(hits) / sum(trials) <= greatest <= high <= 1


def test_people_who_differ_make_it_wide():
    alike = share_by_person([5, 5, 5, 5], [10, 10, 10, 10])
    unlike = share_by_person([10, 10, 0, 0], [10, 10, 10, 10])
    assert unlike.high - unlike.low > 1.5 * (alike.high - alike.low)


def test_no_alarm_in_some_hours_is_the_rule_of_three():
    assert greatest_rate(0, 6.0) == pytest.approx(0.5, rel=0.01)
    assert greatest_rate(5, 6.0) > 5 / 6.0


# -- the trade-off ----------------------------------------------------------------------------


def test_impacts_soon_after_an_alarm_belong_to_it():
    impacts = [Impact(0.0, 0.9), Impact(9.9, 0.99), Impact(10.1, 0.5), Impact(30.0, 0.1)]
    assert [each.at_s for each in alarms_at(impacts, 0.4)] == [0.0, 10.1]
    assert [each.at_s for each in alarms_at(impacts, 0.95)] == [9.9]


def test_a_trade_off_goes_from_nothing_to_everything():
    falls = [trial("a"), trial("b")]
    daily = [trial("c", is_fall=False), trial("d", is_fall=False)]
    impacts = [[Impact(5.0, 0.9)], [Impact(5.0, 0.4)], [Impact(5.0, 0.6)], []]
    points = trade_off([*falls, *daily], impacts)
    assert [(each.threshold, each.sensitivity, each.alarmed) for each in points] == [
        (0.9, 0.5, 0.0),
        (0.6, 0.5, 0.5),
        (0.4, 1.0, 0.5),
    ]


# -- stress ----------------------------------------------------------------------------------


def test_a_sensor_saturates_and_holes_stay_holes():
    samples = np.array([[0, 5, np.nan, -9.0]] * 3, np.float32)
    worse = Stress(clip_g=2).apply(
        Trial(
            dataset="d", trial="t", person=None, placement="wrist", rate_hz=20.0, samples_g=samples
        )
    )
    np.testing.assert_array_equal(worse.samples_g[0], [0, 2, np.nan, -2])


@given(st.sampled_from([20.0, 25.0, 32.0, 50.0, 100.0, 200.0]))
def test_another_rate_keeps_slow_motion_where_it_was(rate_hz):
    def motion(hz):
        return np.stack([np.sin(2 * np.pi * np.arange(round(8 * hz)) / hz)] * 3)

    found = at_rate(motion(50.0).astype(np.float32), 50.0, rate_hz)
    wanted = motion(rate_hz)
    inner = slice(round(rate_hz), -round(rate_hz))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found[:, inner], wanted[:, inner], atol=0.02)


def test_a_lower_rate_folds_no_fast_motion_into_slow():
    fast = np.sin(2 * np.pi * 19.0 * np.arange(500) / 50.0)
    assert np.abs(at_rate(np.stack([fast] * 3), 50.0, 20.0)[:, 20:-20]).max() < 0.02


def test_holes_stay_at_another_rate():
    samples = np.ones((3, 500), np.float32)
    samples[:, 200:300] = np.nan
    for rate_hz in (20.0, 100.0):
        holes = np.isnan(at_rate(samples, 50.0, rate_hz)).all(axis=0)
        assert holes.sum() == pytest.approx(2 * rate_hz, abs=2)


# -- the report --------------------------------------------------------------------------------


def test_what_was_not_measured_is_no_hour():
    daily = trial(seconds=100.0, is_fall=False)
    daily.samples_g[1, : daily.samples_g.shape[1] // 4] = np.nan
    assert tier(heard(daily)).hours == pytest.approx(75 / 3600)
    assert tier(heard(daily), of="fall_detected").hours == pytest.approx(45 / 3600)


def test_sets_whose_names_no_file_can_hold_have_a_page_each(tmp_path):
    names = ("跌倒", "其他", "a/b", "a b", "x" * 300)
    of = [heard(trial(dataset=name, is_fall=True)) for name in names]
    figures = score(of, "stream")
    sets = [
        SetReport(name, figures[name], [each], [[]], frozenset())
        for name, each in zip(names, of, strict=True)
    ]
    model = JudgedModel(hash="0" * 64, files={}, people_known=True, trials_known=True)
    first = write_report(tmp_path, sets, model, "asked").read_text()
    pages = sorted(tmp_path.glob("set-*.html"))
    assert len(pages) == len(names)
    assert all(f'href="{page.name}"' in first for page in pages)


def test_the_report_shows_every_miss_and_false_alarm_and_loads_nothing(tmp_path):
    members = [
        heard(trial("found"), 5.0),
        heard(trial("missed<b>")),
        heard(trial("quiet", is_fall=False)),
        heard(trial("wolf", is_fall=False, seconds=1_200), 600.0),
        heard(trial("unlabelled", is_fall=None), 5.0),
    ]
    impacts = [[Impact(5.0, 0.9)], [], [Impact(5.0, 0.2)], [Impact(600.0, 0.9)], []]
    known = frozenset(("made", each.trial.trial) for each in members)
    figures = score(members, "stream", known)["made"]
    model = JudgedModel(
        hash="0" * 64, files={"wrist": "0" * 64}, people_known=True, trials_known=True
    )
    one = SetReport("a set & more", figures, members, impacts, known)
    first = write_report(tmp_path / "new" / "folder", [one], model, "Heard as stream.")
    pages = {each.name: each.read_text("utf-8") for each in first.parent.iterdir()}
    assert set(pages) == {"index.html", "set-1-a-set-more.html"}
    waves = pages["set-1-a-set-more.html"]
    assert "missed&lt;b&gt;" in waves
    assert "wolf" in waves
    assert waves.count("<figure>") == 2
    assert "used in training" in waves
    for page in pages.values():
        assert "<svg" in page
        assert "a set &amp; more" in page
        for outside in ("http:", "https:", "<script", "<link", "src=", "url("):
            assert outside not in page
