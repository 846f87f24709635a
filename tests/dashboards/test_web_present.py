"""From records to what a card says."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.views import DeviceSort, LogLine, ResidentState, ResolutionOutcome, ServiceView
from contract.messages import IncidentState, Priority
from contract.units import US_PER_S
from dashboards.web.examples import BOARD, INCIDENT
from dashboards.web.language import Language
from dashboards.web.present import UNHEARD_US, Presenter
from dashboards.web.words import WORDS

NOW_US = BOARD.at_us
ENGLISH = Presenter(WORDS[Language.ENGLISH], ZoneInfo("Asia/Hong_Kong"))
CHINESE = Presenter(WORDS[Language.CHINESE], ZoneInfo("Asia/Hong_Kong"))


def incident(**changes):
    return msgspec.structs.replace(INCIDENT, **changes)


def board(**changes):
    return msgspec.structs.replace(BOARD, **changes)


def test_who_has_nobody_coming_stands_first_then_the_urgent_then_who_waits_longest():
    def view(name, state, priority, opened_s):
        at_us = NOW_US - opened_s * US_PER_S
        return incident(id=name, state=state, priority=priority, opened_at_us=at_us, at_us=at_us)

    views = [
        view("arrived", IncidentState.ARRIVED, Priority.HIGH, 900),
        view("going", IncidentState.ACKNOWLEDGED, Priority.HIGH, 800),
        view("medium", IncidentState.OPEN, Priority.MEDIUM, 700),
        view("high-new", IncidentState.OPEN, Priority.HIGH, 10),
        view("high-old", IncidentState.OPEN, Priority.HIGH, 60),
    ]
    page = ENGLISH.page(board(incidents=views))
    assert [card.id for card in page.alerts] == [
        "high-old",
        "high-new",
        "medium",
        "going",
        "arrived",
    ]
    assert page.sounding == ("high-old", "high-new")
    assert page.title.startswith("(5) Fall detected")


@pytest.mark.parametrize("happened_us", [0, NOW_US + 3_600 * US_PER_S])
def test_a_gateway_without_a_set_clock_does_not_make_an_alert_fifty_years_old(happened_us):
    view = incident(at_us=happened_us, opened_at_us=NOW_US - 5 * US_PER_S)
    assert ENGLISH.card(view, NOW_US).since.text == "5 s"


def test_bed_and_place_stand_apart_and_what_is_unknown_is_said():
    card = ENGLISH.card(incident(bed="2/F 212-B", zone="lounge-1"), NOW_US)
    assert (card.bed, card.zone) == ("2/F 212-B", "Lounge 1")
    card = ENGLISH.card(
        incident(bed=None, zone=None, zone_heard_at_us=None, resident_name=None), NOW_US
    )
    assert (card.bed, card.zone, card.heard, card.who) == (
        "No bed",
        None,
        None,
        "Resident unknown",
    )


@pytest.mark.parametrize(
    ("state", "said", "action"),
    [
        (IncidentState.UNPAGED, "Watching, nobody called yet", "acknowledge"),
        (IncidentState.OPEN, "Nobody is on the way yet", "acknowledge"),
        (IncidentState.ACKNOWLEDGED, "Wong Mei is on the way", "arrive"),
        (IncidentState.ARRIVED, "Wong Mei is with the resident", "resolve"),
        (IncidentState.RESOLVED, "Closed by Wong Mei", None),
    ],
)
def test_each_state_has_one_sentence_and_one_action(state, said, action):
    view = incident(
        state=state,
        arrived_by="Wong Mei",
        arrived_at_us=NOW_US,
        resolved_by="Wong Mei",
        resolved_at_us=NOW_US,
        outcome=ResolutionOutcome.ASSISTED,
    )
    card = ENGLISH.card(view, NOW_US)
    assert (card.state_text, card.action) == (said, action)


def test_a_tap_on_the_siren_is_no_person():
    view = incident(acknowledged_by="siren-button")
    assert ENGLISH.card(view, NOW_US).state_text == "Somebody (siren button) is on the way"
    assert CHINESE.card(view, NOW_US).state_text == "同事（警報器按鈕） 正前往處理"


def test_the_countdown_says_what_happens_if_nobody_does():
    left = "46 s"
    soon = NOW_US + 46 * US_PER_S
    for state, field, said in (
        (IncidentState.UNPAGED, "deadline_at_us", f"Staff are called in {left} unless they get up"),
        (IncidentState.OPEN, "next_step_at_us", f"The alarm widens in {left}"),
        (
            IncidentState.ACKNOWLEDGED,
            "next_step_at_us",
            "Alarm again in 46 s unless somebody arrives",
        ),
    ):
        card = ENGLISH.card(incident(state=state, **{field: soon}), NOW_US)
        assert card.next_call is not None
        assert card.next_call.text == said
        assert "{time}" in card.next_call.form
    assert ENGLISH.card(incident(state=IncidentState.ARRIVED), NOW_US).next_call is None


def step_reached(people, *after):
    reached = LogLine(at_us=NOW_US, what="step_reached", by="escalation", detail=f"floor: {people}")
    return [reached, *(LogLine(at_us=NOW_US, what=what, by="Wong Mei") for what in after)]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ([], None),
        (step_reached("Wong Mei"), "On the boards only: no message was sent"),
        (step_reached("Wong Mei", "not_notified"), "On the boards only: no message was sent"),
        (step_reached("Wong Mei, Lau Ka Yan", "notified"), "Called: Wong Mei, Lau Ka Yan"),
        (step_reached("A, B, C, D", "notified", "not_notified"), "Called: 4 people"),
        (
            [*step_reached("A", "notified"), *step_reached("B")],
            "On the boards only: no message was sent",
        ),
    ],
)
def test_called_is_said_only_when_a_message_left(log, said):
    view = incident(state=IncidentState.OPEN, log=log)
    assert ENGLISH.card(view, NOW_US).called == said


def test_the_log_speaks_the_language_of_the_page():
    log = [
        LogLine(at_us=NOW_US, what="opened", by="gateway-a", detail="fall_detected"),
        LogLine(
            at_us=NOW_US + 1, what="step_reached", by="escalation", detail="assigned: Wong Mei"
        ),
        LogLine(at_us=NOW_US + 2, what="resolved", by="Wong Mei", detail="false_alarm"),
    ]
    english = [line.text for line in ENGLISH.card(incident(events=[], log=log), NOW_US).timeline]
    assert english == [
        "Opened – gateway-a: Fall detected",
        "Next to be called: the assigned carer (Wong Mei)",
        "Closed – Wong Mei: False alarm",
    ]
    chinese = [line.text for line in CHINESE.card(incident(events=[], log=log), NOW_US).timeline]
    assert chinese[2] == "結束 – Wong Mei: 誤報"


def test_quiet_is_said_only_when_it_is_true():
    alive = [
        ServiceView(name=name, role=role, online=True, heard_at_us=NOW_US, beds=[])
        for name, role in (("alerts", "alerts"), ("gateway-a", "gateway"))
    ]
    well = msgspec.structs.replace(BOARD.residents[0], state=ResidentState.OK)
    calm = board(incidents=[], faults=[], checks=[], residents=[well], services=alive)
    assert ENGLISH.page(calm).all_quiet
    assert not ENGLISH.page(calm).alerts_down
    spoiled = (
        {"incidents": [INCIDENT]},
        {"faults": BOARD.faults},
        {"checks": BOARD.checks},
        {"watching": [incident(state=IncidentState.UNPAGED)]},
        {"residents": []},
        {"residents": [msgspec.structs.replace(well, state=ResidentState.UNKNOWN)]},
        {"residents": [msgspec.structs.replace(well, state=ResidentState.FAULT)]},
        {"residents": [msgspec.structs.replace(well, last_heard_us=None)]},
        {"services": [alive[0], msgspec.structs.replace(alive[1], online=False)]},
        {"services": [alive[1]]},
        {"services": []},
    )
    for change in spoiled:
        page = ENGLISH.page(msgspec.structs.replace(calm, **change))
        assert not page.all_quiet, change
        assert page.title != "All quiet"


@pytest.mark.parametrize(
    ("heard_us", "said"),
    [(NOW_US, "Monitored"), (NOW_US - UNHEARD_US - 1, "Unknown"), (None, "Unknown")],
)
def test_who_is_not_heard_is_not_called_monitored(heard_us, said):
    view = msgspec.structs.replace(
        BOARD.residents[0], state=ResidentState.OK, last_heard_us=heard_us
    )
    page = ENGLISH.page(board(incidents=[], faults=[], residents=[view]))
    assert page.floors[0][1][0].state_text == said


def test_a_fall_in_the_making_is_no_alert_in_the_strip_either():
    alarmed = msgspec.structs.replace(BOARD.residents[0], state=ResidentState.ALERT)
    making = incident(state=IncidentState.UNPAGED, kind="fall_suspected")
    page = ENGLISH.page(board(incidents=[], watching=[making], residents=[alarmed]))
    [(_, [tile])] = page.floors
    assert (tile.state, tile.state_text) == ("unpaged", "Possible fall")
    both = ENGLISH.page(board(incidents=[INCIDENT], watching=[making], residents=[alarmed]))
    assert both.floors[0][1][0].state == "alert"


@given(
    at_us=st.integers(0, 2**53),
    now_us=st.integers(0, 4_102_444_800 * US_PER_S),
    state=st.sampled_from(IncidentState),
    name=st.none() | st.text(),
    zone=st.none() | st.text(),
)
def test_no_record_breaks_a_card(at_us, now_us, state, name, zone):
    view = incident(
        at_us=at_us,
        opened_at_us=now_us,
        state=state,
        resident_name=name,
        acknowledged_by=name,
        zone=zone,
        events=[],
        log=[],
    )
    for presenter in (ENGLISH, CHINESE):
        assert presenter.card(view, now_us).bed


@pytest.mark.parametrize(
    ("sort", "kind", "said"),
    [
        (
            DeviceSort.WEARABLE,
            "fall_detected",
            ("Unassigned: Wearable 7", "未編配的裝置：Wearable 7"),
        ),
        (DeviceSort.SENSOR, "help_requested", ("Call point: Wearable 7", "求助鈴：Wearable 7")),
        (DeviceSort.SENSOR, "bed_exit", ("Room sensor: Wearable 7", "房間感應器：Wearable 7")),
        (None, "fall_detected", ("Resident unknown", "院友不明")),
    ],
)
def test_what_is_nobodys_is_told_by_device_and_place(sort, kind, said):
    view = msgspec.structs.replace(
        INCIDENT,
        kind=kind,
        bed=None,
        resident_id=None,
        resident_name=None,
        zone="room-211",
        device="wearable-7",
        device_sort=sort,
    )
    for language, who in zip(Language, said, strict=True):
        card = Presenter(WORDS[language], ZoneInfo("Asia/Hong_Kong")).card(view, view.opened_at_us)
        assert (card.bed, card.who) == ("Room 211", who)
