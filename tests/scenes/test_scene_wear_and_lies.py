"""Long lies, slides, wear and broken sensors, through the real services on the virtual clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wardlight.scenes import Timeline

ROOMS = ("bedroom", "corridor", "lounge")


@pytest.fixture
def home() -> Callable[..., Timeline]:
    """A small house: each resident's bed in the bedroom, gateways where a test wants them."""

    def make(
        *residents: str, gateways: dict[str, bool] | None = None, **values: object
    ) -> Timeline:
        line = Timeline("A small house")
        line.room("bedroom", next_to=["corridor"])
        line.room("corridor", next_to=["lounge"]).room("lounge")
        for resident in residents:
            line.resident(resident, room="bedroom", **values)
        line.staff("mei", post="night carer", looks_after="everyone")
        for room, resting in (gateways or {"bedroom": True}).items():
            line.gateway(f"gateway-{room}", room, resting=resting)
        return line

    return make


def test_a_fall_becomes_a_long_lie_that_calls_again_who_has_not_come(home: Callable) -> None:
    line = home("ada")
    line.at(0).fall("ada")
    line.at(60).acknowledge("mei")
    line.at(100).arrive("mei")
    line.expect_alert("fall_detected", "ada", within=(30, 45))
    line.expect_event("long_lie", "ada", within=(300, 315))
    line.expect_event("long_lie", "ada", within=(900, 915))
    line.run()


def test_who_answered_and_did_not_come_is_called_again_at_five_minutes(home: Callable) -> None:
    line = home("ada")
    line.at(0).fall("ada")
    line.at(240).acknowledge("mei")
    line.expect_alert("long_lie", "ada", within=(300, 315))
    line.run()


def test_a_resolved_fall_becomes_no_long_lie(home: Callable) -> None:
    line = home("ada")
    line.at(0).fall("ada")
    line.at(60).acknowledge("mei")
    line.at(90).arrive("mei")
    line.at(120).help_up("ada")
    line.at(200).resolve("mei", outcome="true_fall_no_injury")
    line.setting(lasts=330)
    line.expect_no_event("long_lie")
    line.run()


def test_a_slide_where_nobody_rests_is_paged(home: Callable) -> None:
    line = home("ada", gateways={"bedroom": True, "corridor": False})
    line.at(0).slide("ada", "corridor")
    line.expect_no_event("fall_suspected")
    line.expect_alert("long_lie", "ada", within=(330, 370))
    line.expect_page("night carer", about="ada", kind="long_lie", within=(330, 372))
    line.run()


@pytest.mark.parametrize("word", ["nap", "slide"])
def test_where_people_rest_nobody_is_called(home: Callable, word: str) -> None:
    """The limit, too: at a wrist a slide in the lounge is not told from a nap (hazard W2)."""
    line = home("ada", gateways={"bedroom": True, "lounge": True})
    getattr(line.at(0), word)("ada", "lounge")
    line.setting(lasts=1_000)
    line.expect_no_alarm()
    line.expect_nothing_else()
    line.run()


def test_a_waist_that_lies_where_there_are_only_chairs_is_paged(home: Callable) -> None:
    line = home("ada", gateways={"bedroom": True, "lounge": True}, placement="waist")
    line.at(0).slide("ada", "lounge")
    line.expect_no_alarm(between=(0, 900))
    line.expect_alert("long_lie", "ada", within=(930, 970))
    line.run()


def test_a_night_of_wear_is_told_apart(home: Callable) -> None:
    line = home("ada", "ben", "cara")
    line.at(0).take_off("ada", tells=False)
    line.at(0).sleep("ben")
    line.at(0).sleep("cara", signs=False)
    line.at(1_400).put_on("ada")
    line.expect_fault("not_worn", "ada", within=(1_200, 1_335), saying="without the least motion")
    line.expect_no_fault("any", "ben")
    line.expect_no_fault("not_worn", "cara")
    line.expect_fault("wear_unknown", "cara", within=(1_800, 1_935), saying="next round")
    line.expect_fault_cleared("not_worn", "ada", within=(1_400, 1_540))
    line.expect_no_alarm()
    line.expect_nothing_else()
    line.run()


def test_a_frozen_sensor_and_a_wrong_gain_are_faults_until_mended(home: Callable) -> None:
    line = home("ada", "ben")
    line.at(0).break_sensor("ada", "frozen").break_sensor("ben", "gain")
    line.at(750).break_sensor("ada", "none").break_sensor("ben", "none")
    line.expect_fault("sensor_fault", "ada", within=(600, 735), saying="exactly the same")
    line.expect_fault("sensor_fault", "ben", within=(240, 400), saying="from 1 g")
    line.expect_fault_cleared("sensor_fault", "ada", within=(750, 1_000))
    line.expect_fault_cleared("sensor_fault", "ben", within=(750, 1_000))
    line.expect_no_alarm()
    line.run()


@pytest.mark.parametrize("streaming", [False, True], ids=["adverts", "held link"])
def test_a_stuck_axis_hides_no_fall(home: Callable, streaming: bool) -> None:
    line = home("ada", streaming=streaming)
    line.at(0).break_sensor("ada", "stuck_axis")
    line.at(60).fall("ada")
    line.expect_event("fall_suspected", "ada", within=(60, 76))
    line.expect_fault("sensor_fault", "ada", within=(100, 140), saying="axes")
    line.run()
