"""A press on a wall call point travels to the board, and names the place."""

from __future__ import annotations

import httpx

from contract.devices import Quantity
from contract.events import EventKind, FaultCause
from contract.units import US_PER_S
from dashboards.web import create_app, serve

WARM_UP_S = 5.0


def open_alerts(scene):
    return scene.home.desk.board().incidents


def test_a_press_on_the_wall_is_on_the_board_within_a_second(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        pressed_us = scene.clock.now_ns() // 1000
        scene.simulation.press_call_point("call-point-1")
        await scene.until(lambda: open_alerts(scene), 3, "the call for help", step_s=0.05)
        (incident,) = open_alerts(scene)
        assert incident.kind == EventKind.HELP_REQUESTED
        assert incident.paged_at_us - pressed_us < US_PER_S
        assert (incident.zone, incident.device) == ("corridor", "call-point-1")
        assert (incident.bed, incident.resident_id) == (None, None)
        assert [line.detail for line in incident.events][-1] == (
            "The call point in corridor was pressed."
        )
        # Both gateways hear each repetition; people see one alert.
        await scene.clock.sleep(20.0)
        assert len(open_alerts(scene)) == 1
        assert scene.home.desk.board().faults == []

    virtual_scene(journey, sensors=True)


def test_a_press_while_the_alert_service_is_down_is_told_once_it_is_back(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        await scene.home.stop("alerts")
        scene.simulation.press_call_point("call-point-1")
        await scene.clock.sleep(5.0)
        for gateway in ("gateway-a", "gateway-b"):
            await scene.home.stop(gateway)
        for name in ("alerts", "gateway-a", "gateway-b"):
            scene.home.start(name)
        await scene.until(lambda: open_alerts(scene), 30, "the call for help")
        assert len(open_alerts(scene)) == 1

    virtual_scene(journey, sensors=True)


def test_what_rooms_say_reaches_the_store(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.sensor("door-1").set(Quantity.OPENING, 1.0)
        await scene.clock.sleep(30.0)
        scene.simulation.sensor("door-1").set(Quantity.OPENING, 0.0)
        await scene.clock.sleep(90.0)
        reader = scene.home.reader()
        now_us = scene.clock.now_ns() // 1000
        latest = {each.point.device: each.point for each in reader.latest_readings(now_us)}
        assert latest["door-1"].opening is False
        assert latest["bed-1"].resident == "resident-3"
        changes = [
            each.point for each in reader.readings("door-1", 0, now_us) if each.point.changed
        ]
        assert {(each.changed, each.opening) for each in changes} >= {("opening", False)}

    virtual_scene(journey, sensors=True)


def test_a_sensor_that_is_imitated_calls_nobody(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        point = scene.simulation.sensor("call-point-1")
        point.lost_key = True
        scene.simulation.press_call_point("call-point-1")
        await scene.clock.sleep(10.0)
        assert open_alerts(scene) == []
        causes = [each.cause for each in scene.home.desk.board().faults]
        assert causes == [FaultCause.ADVERT_UNENCRYPTED]

    virtual_scene(journey, sensors=True)


def test_the_board_says_which_call_point_and_where(real_scene):
    async def journey(scene):
        app = create_app(scene.home.desk, scene.clock, home_name="Test home")
        web = await serve(app, "127.0.0.1", 0)
        try:
            await scene.clock.sleep(WARM_UP_S)
            scene.simulation.press_call_point("call-point-1")
            await scene.until(lambda: open_alerts(scene), 60, "the call for help")
            async with httpx.AsyncClient(base_url=web.url) as browser:
                board = (await browser.get("/")).text
            for words in ("Asks for help", "Call point: Call point 1", "Corridor"):
                assert words in board
        finally:
            await web.stop()

    real_scene(journey, sensors=True)
