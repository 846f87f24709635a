"""A fall travels from the wrist to a carer's screen, and her answer travels back."""

from __future__ import annotations

import httpx
import pytest

from contract.gatt import VibratePattern
from dashboards.web import create_app, serve
from wardlight.stages import Stage

WARM_UP_S = 15.0
HOUR_AND_MORE_S = 4_000.0
"""Whatever is looked at, counted or forgotten within a night is so within an hour."""


@pytest.mark.parametrize("resident", ["resident-3", "resident-1"], ids=["adverts", "held link"])
def test_a_fall_reaches_the_board_and_the_answer_reaches_the_wrist(real_scene, resident):
    async def journey(scene):
        app = create_app(scene.home.desk, scene.clock, home_name="Test home")
        web = await serve(app, "127.0.0.1", 0)
        try:
            await scene.clock.sleep(WARM_UP_S)
            scene.simulation.fall(resident)
            await scene.watch.reached(Stage.SUSPECTED, 60)
            await scene.watch.reached(Stage.DETECTED, 120)
            await scene.watch.reached(Stage.STORED, 60)
            await scene.watch.reached(Stage.ALERTED, 60)
            incident = await scene.watch.paged_incident(60)
            async with httpx.AsyncClient(base_url=web.url) as browser:
                board = (await browser.get("/")).text
                bed = scene.plan.wearable_of(resident).bed
                assert bed in board
                assert "Fall detected" in board
                answer = await browser.post(
                    f"/api/v1/incidents/{incident}/acknowledge", json={"staff_id": "mei"}
                )
                assert answer.status_code == 200
            await scene.watch.reached(Stage.ACKNOWLEDGED, 60)
            await scene.until(
                lambda: (
                    VibratePattern.HELP_IS_COMING
                    in [felt.pattern for felt in scene.simulation.wearable(resident).vibrations]
                ),
                120,
                "the wearable says that help is coming",
            )
        finally:
            await web.stop()

    real_scene(journey, resident)


@pytest.mark.parametrize(
    ("resident", "limit_s"),
    [("resident-3", 60.0), ("resident-1", 60.0)],
    ids=["adverts", "held link"],
)
def test_a_fall_is_suspected_in_five_seconds_and_paged_in_a_minute(
    virtual_scene, resident, limit_s
):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.fall(resident)
        await scene.watch.reached(Stage.ALERTED, 120)
        assert scene.stages[Stage.SUSPECTED] <= 8.0
        assert scene.stages[Stage.ALERTED] <= limit_s
        (incident,) = scene.home.desk.board().incidents
        assert incident.resident_id == resident
        assert incident.bed == scene.plan.wearable_of(resident).bed
        assert incident.paged_at_us is not None

    virtual_scene(journey, resident)


def test_a_quiet_night_alarms_nobody(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(HOUR_AND_MORE_S)
        board = scene.home.desk.board()
        assert board.incidents == []
        assert board.faults == []
        assert not any(siren.sounding for siren in scene.sirens.values())

    virtual_scene(journey)


def test_a_pressed_button_pages_at_once(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        pressed_us = scene.clock.now_ns() // 1000
        scene.simulation.press_button("resident-5")
        await scene.until(lambda: bool(scene.home.desk.board().incidents), 10, "the call for help")
        (incident,) = scene.home.desk.board().incidents
        assert incident.kind == "help_requested"
        assert incident.resident_id == "resident-5"
        assert incident.paged_at_us - pressed_us < 3_000_000

    virtual_scene(journey)
