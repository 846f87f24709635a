"""A recorded home is read, its resident followed, and episodes are put into her days."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from typer.testing import CliRunner

from contract.whereabouts import ZoneUse
from detectors.room_model import UNKNOWN
from evaluation.whereabouts.injecting import SCENARIOS, NothingFitsError, put_in
from evaluation.whereabouts.places import (
    AWAY_AFTER_S,
    QUIET_STEP_S,
    Follower,
    seconds_to_look_at,
)
from evaluation.whereabouts.playing import plan_of
from evaluation.whereabouts.recorded import RecordedHomeError, What, read_home
from wardlight.cli import app

CASAS = Path(__file__).parents[3] / "shared" / "data" / "homes" / "casas-al.csv.gz"
MIDNIGHT = datetime(2024, 5, 6, tzinfo=UTC)

DAY = (
    # Local hour, and the rooms that she passes then.
    (2.0, ("Bedroom", "Bathroom", "Bathroom", "Bathroom", "Bedroom")),
    (7.5, ("Bedroom", "Bathroom", "Bedroom", "Hall", "Kitchen", "Kitchen", "Hall", "Lounge")),
    (10.0, ("Lounge", "Hall", "Bathroom", "Bathroom", "Hall", "Lounge")),
    (11.0, ("Lounge", "Hall", "FrontDoor", "out")),
    (13.0, ("in", "FrontDoor", "Hall", "Kitchen", "Hall", "Lounge")),
    (17.0, ("Lounge", "Hall", "Kitchen", "Kitchen", "Hall", "Lounge", "Kitchen", "Lounge")),
    (22.5, ("Lounge", "Hall", "Bathroom", "Hall", "Bedroom", "Bedroom")),
)


def lines(days: int, layout: str = "{day} {time} {sensor} {sensor} {message} Life") -> list[str]:
    """So many days of somebody who lives by the clock, in the authors' own layout."""
    told: list[tuple[datetime, str, str]] = []
    for day in range(days):
        for hour, rooms in DAY:
            at = MIDNIGHT + timedelta(days=day, hours=hour)
            for room in rooms:
                at += timedelta(seconds=6)
                if room in {"out", "in"}:
                    told.append((at, "FrontDoor", "OPEN"))
                    told.append((at + timedelta(seconds=9), "FrontDoor", "CLOSE"))
                    continue
                for again in (0, 3, 6):
                    seen = at + timedelta(seconds=again)
                    told.append((seen, room, "ON"))
                    told.append((seen + timedelta(seconds=1.5), room, "OFF"))
                at += timedelta(seconds=6)
    return [
        layout.format(day=f"{at:%Y-%m-%d}", time=f"{at:%H:%M:%S.%f}", sensor=room, message=said)
        for at, room, said in sorted(told)
    ]


@pytest.fixture
def recorded(tmp_path):
    def write(content: list[str] | int = 3) -> Path:
        file = tmp_path / "home.txt"
        content = lines(content) if isinstance(content, int) else content
        file.write_text("\n".join(content) + "\n")
        return file

    return write


def follow(home, first: int, end: int, *, each_second: bool = False):
    """(second, place) of a time."""
    happenings = [each for each in home.happenings if first <= each.at_s < end]
    said = defaultdict(list)
    for each in happenings:
        said[int(each.at_s)].append(each)
    seconds = range(first, end) if each_second else seconds_to_look_at(happenings, first, end)
    follower = Follower(home)
    return {second: follower.step(second, said[second]) for second in seconds}


def at(day: int, hour: float) -> int:
    return int((MIDNIGHT + timedelta(days=day, hours=hour)).timestamp())


def test_the_plan_is_drawn_from_names_and_steps(recorded):
    home, unreadable = read_home(recorded())
    assert not unreadable
    assert dict(zip(home.zones, home.uses, strict=True)) == {
        "Bathroom": ZoneUse.TOILET,
        "Bedroom": ZoneUse.BEDROOM,
        "FrontDoor": ZoneUse.EXIT,
        "Hall": ZoneUse.CORRIDOR,
        "Kitchen": ZoneUse.OTHER,
        "Lounge": ZoneUse.COMMON,
    }
    number = home.zones.index
    assert home.doors == (number("FrontDoor"),)
    assert home.near[number("Hall"), number("Kitchen")]
    assert not home.near[number("Bedroom"), number("Kitchen")]


def test_of_several_bedrooms_hers_is_the_one_of_the_nights(recorded):
    guest = [f"2024-05-06 14:00:{second:02} GuestBedroom GuestBedroom ON" for second in range(60)]
    home, _ = read_home(recorded(sorted([*lines(1), *guest])))
    assert home.zones[home.bedroom] == "Bedroom"
    plan = plan_of(home)
    assert plan.use[home.zones.index("GuestBedroom")] is ZoneUse.OTHER
    assert plan.use[home.bedroom] is ZoneUse.BEDROOM


def test_both_layouts_are_one_home(recorded, tmp_path):
    plain, _ = read_home(recorded())
    table = tmp_path / "home.csv"
    rows = lines(3, "{day},{time},{sensor},{message},Life")
    table.write_text("date,time,sensor,message,activity\n" + "\n".join(rows) + "\n")
    read, _ = read_home(table)
    assert read.happenings == plain.happenings
    assert (read.near == plain.near).all()


def test_a_reading_says_nothing_of_where_she_is(recorded):
    home, _ = read_home(recorded([*lines(2), "2024-05-08 01:00:00 T101 21.5"]))
    assert home.passed_over == {"T101": 1}
    assert "T101" not in home.zones


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (["what,ever", "1,2"], "no event of a sensor.*:1"),
        (lines(1)[::-1], "times go backwards"),
        (
            [*lines(1), "2099-01-01 01:00:00 Hall Hall ON"],
            "nothing was said from 2024-05-06 .* to 2099-01-01 01:00:00; up to 92 days",
        ),
        ([*lines(1), "2024-05-07 01:00:00 M017 M017 ON"], "M017: say it by --use"),
        (["2024-05-07 01:00:00 Kitchen Kitchen ON"], "is a bedroom"),
        ([*lines(1)[:4], *["2024-05-06 bad"] * 9], "of 13 lines 9 cannot be read.*:5: 2 fields"),
    ],
)
def test_what_cannot_be_used_is_said(recorded, content, why):
    with pytest.raises(RecordedHomeError, match=why):
        read_home(recorded(content))


def test_who_rests_is_where_she_was_last_seen_and_one_firing_elsewhere_is_a_ghost(recorded):
    ghost = "2024-05-06 04:00:00 Bathroom Bathroom ON"
    home, _ = read_home(recorded(sorted([*lines(1), ghost])))
    places = follow(home, at(0, 2), at(0, 7))
    bedroom, bathroom = home.zones.index("Bedroom"), home.zones.index("Bathroom")
    assert places[at(0, 4) + QUIET_STEP_S].zone == bedroom
    assert {place.zone for second, place in places.items() if second > at(0, 2.1)} == {bedroom}
    assert bathroom in {place.zone for second, place in places.items() if second < at(0, 2.1)}


def test_who_has_closed_the_door_behind_her_is_out_until_she_is_seen_inside(recorded):
    ghost = "2024-05-06 12:00:00 Kitchen Kitchen ON"
    home, _ = read_home(recorded(sorted([*lines(1), ghost])))
    places = follow(home, at(0, 10), at(0, 14))
    closed = next(int(each.at_s) for each in home.happenings if each.what is What.CLOSED)
    out = places[max(each for each in places if each <= at(0, 12.5))]
    assert out.zone == UNKNOWN
    assert out.heard_s == out.second - closed
    assert places[closed + AWAY_AFTER_S - 1].heard_s == 0
    assert places[max(places)].heard_s == 0
    assert home.zones[places[max(places)].zone] == "Lounge"


def test_seconds_left_out_change_nothing(recorded):
    home, _ = read_home(recorded(1))
    all_of_it = follow(home, at(0, 10.9), at(0, 13.5), each_second=True)
    some = follow(home, at(0, 10.9), at(0, 13.5))
    assert len(some) < len(all_of_it) / 5
    for second, place in some.items():
        assert (place.zone, place.heard_s) == (
            all_of_it[second].zone,
            all_of_it[second].heard_s,
        )


@pytest.mark.parametrize("name", SCENARIOS)
def test_episodes_are_spread_over_the_days_and_lead_from_room_to_room(recorded, name):
    home, _ = read_home(recorded(4))
    rng = np.random.default_rng(1)
    made = put_in(home, SCENARIOS[name], 40, at(1, 0), rng)
    assert len({home.wall(each.begun_s).date() for each in made}) == 3
    for each in made:
        assert each.begun_s < each.due_s < each.end_s
        assert each.happenings[0].at_s >= each.begun_s
        seen = [said for said in each.happenings if said.what is What.SEEN]
        hops = [one.zone for one in seen]
        # One room in ten is walked through unseen, so two steps may look like one.
        near = home.near | (home.near @ home.near)
        assert all(one == other or near[one, other] for one, other in pairwise(hops))
    assert made == put_in(home, SCENARIOS[name], 40, at(1, 0), np.random.default_rng(1))


def test_an_episode_that_a_home_cannot_have_is_refused(recorded):
    doorless = [each for each in lines(3) if "OPEN" not in each]
    home, _ = read_home(recorded(doorless))
    assert "when she is out" in home.doubts[0]
    with pytest.raises(NothingFitsError, match="no door that leads out"):
        put_in(home, SCENARIOS["night_exit"], 1, home.first_s, np.random.default_rng(0))


def test_the_command_judges_a_home(recorded, tmp_path):
    figures = tmp_path / "figures.json"
    until = "2024-05-07 06:00:00"
    some = [each for each in lines(2) if each < until]
    file = recorded([*some, f"{until} Bedroom Bedroom ON"])
    asked = ["evaluate", "whereabouts", str(file), "--inject", "night_exit", "--copies", "2"]
    done = CliRunner().invoke(app, [*asked, "--json", str(figures)])
    assert done.exit_code == 0, done.output
    told = json.loads(figures.read_text())
    assert told["days"] == 2
    assert told["per_kind"]["elopement"]["count"] == 0
    # 28 hours on two dates: none in a sixth of a week is at most 3.69 in it (Poisson).
    assert told["pages_per_week"]["high"] == pytest.approx(6 * 3.689, rel=0.01)
    assert told["injected"]["night_exit"]["n"] == 2
    assert told["injected"]["night_exit"]["detected"] == 2
    assert told["injected"]["night_exit"]["delay_p95_s"] < 60
    assert told["plan"]["Hall"]["use"] == "corridor"
    assert "Pages a week" in done.output


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--learn-days", "2"], "2 to learn from leave none"),
        (["--use", "Attic=other"], "no place is called Attic"),
        (["--use", "Hall=cellar"], "say PLACE=USE"),
        (["--zone", "Mars/Olympus"], "no time zone"),
        (["--json", "."], "cannot be written"),
    ],
)
def test_what_is_asked_wrongly_is_refused(recorded, options, why):
    done = CliRunner().invoke(app, ["evaluate", "whereabouts", str(recorded(2)), *options])
    assert done.exit_code == 2
    assert why in done.output


def test_the_night_in_which_the_clock_is_put_back_has_an_hour_more(recorded):
    dates = {"2024-05-06": "2024-10-26", "2024-05-07": "2024-10-27"}
    night = [each for each in lines(2) if "2024-05-06 22" < each < "2024-05-07 08"]
    file = recorded([dates[each[:10]] + each[10:] for each in night])
    home, _ = read_home(file, ZoneInfo("Europe/Berlin"))
    naive, _ = read_home(file)
    assert home.end_s - home.first_s == naive.end_s - naive.first_s + 3600
    assert home.wall(home.happenings[-1].at_s).hour == 7
    done = CliRunner().invoke(
        app, ["evaluate", "whereabouts", str(file), "--zone", "Europe/Berlin"]
    )
    assert done.exit_code == 0, done.output
    assert "2 days" in done.output


def test_a_file_that_ends_too_soon_is_judged_as_far_as_it_goes(recorded, tmp_path):
    some = [each for each in lines(1) if " 02:" in each or " 07:" in each]
    whole = gzip.compress("\n".join(some).encode())
    cut = tmp_path / "home.csv.gz"
    cut.write_bytes(whole[:-20])
    done = CliRunner().invoke(app, ["evaluate", "whereabouts", str(cut)])
    assert done.exit_code == 1
    assert "end-of-stream" in done.output
    assert "Pages a week" in done.output
    cut.write_bytes(whole[:30])
    assert CliRunner().invoke(app, ["evaluate", "whereabouts", str(cut)]).exit_code == 2


def test_lines_that_cannot_be_read_are_named_and_the_rest_is_judged(recorded):
    few = [each for each in lines(1) if " 02:" in each or " 07:" in each]
    done = CliRunner().invoke(
        app, ["evaluate", "whereabouts", str(recorded([*few, "2024-05-06 nonsense"]))]
    )
    assert done.exit_code == 1
    assert f"home.txt:{len(few) + 1}: 2 fields" in done.output


def test_the_recorded_home_is_known_and_a_night_exit_told():
    if not CASAS.is_file():
        pytest.skip("../shared/data/homes is not here")
    home, unreadable = read_home(CASAS)
    assert not unreadable
    assert len(home.happenings) == 29_656
    number = home.zones.index
    assert home.uses[number("OutsideDoor")] is ZoneUse.EXIT
    assert home.near[number("Bedroom")].sum() == 4
    assert len(put_in(home, SCENARIOS["lapping"], 5, home.first_s, np.random.default_rng(0))) == 5


def test_real_outings_of_one_who_may_not_leave_alone_are_told(recorded, tmp_path):
    labelled = [
        each.replace("Life", "Leave_Home") if " 11:" in each and "OPEN" in each else each
        for each in lines(1)
        if "2024-05-06 10:" < each < "2024-05-06 14:" or " 02:" in each
    ]
    figures = tmp_path / "figures.json"
    asked = ["evaluate", "whereabouts", str(recorded(labelled)), "--at-risk", "--json"]
    done = CliRunner().invoke(app, [*asked, str(figures)])
    assert done.exit_code == 0, done.output
    told = json.loads(figures.read_text())
    assert told["outings"] == {"labelled": 1, "told": 1}
    assert told["per_kind"]["elopement"]["count"] == 1, "coming home is none"
