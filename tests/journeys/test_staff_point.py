"""Somebody answers at a gateway: while the alert service is there, and while it is not."""

from __future__ import annotations

from urllib.parse import parse_qs

from contract.events import STAFF_POINT
from contract.messages import IncidentState
from edge.page import GatewayPage
from edge.page.http import Request
from wardlight.stages import Stage

WARM_UP_S = 15.0
HOST = {"host": "127.0.0.1:8090"}


async def press(gateway) -> bool:
    """Open the page of `gateway` and press its first button, as a person does."""
    page = GatewayPage(gateway, "127.0.0.1", 0)
    shown = (await page.answer(Request("GET", "/", {}, HOST, {}))).body
    if "<button>" not in shown:
        return False
    form = shown[shown.index("<form") : shown.index("<button>")]
    values = [part.split('"')[0] for part in form.split('value="')[1:]]
    names = [part.split('"')[0] for part in form.split('name="')[1:]]
    fields = dict(zip(names, values, strict=True))
    answer = await page.answer(Request("POST", "/acknowledge", {}, HOST, fields))
    assert answer.status == 303
    assert "gone" not in parse_qs(dict(answer.headers)["Location"])
    return True


def test_an_answer_at_the_gateway_is_the_incidents_answer(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.fall("resident-3")
        await scene.watch.reached(Stage.ALERTED, 90)
        await scene.until(lambda: bool(scene.home.desk.board().incidents), 60, "it is paged")
        await scene.clock.sleep(6)
        pressed = [await press(gateway) for gateway in scene.home.gateways.values()]
        assert any(pressed)
        await scene.clock.sleep(5)
        (incident,) = scene.home.desk.board().incidents
        assert incident.state is IncidentState.ACKNOWLEDGED
        assert incident.acknowledged_by == STAFF_POINT

    virtual_scene(journey)


def test_an_answer_during_an_outage_arrives_after_it(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        await scene.home.stop("alerts")
        scene.simulation.fall("resident-3")
        await scene.until(
            lambda: any(siren.sounding for siren in scene.sirens.values()), 120, "a siren sounds"
        )
        pressed = [await press(gateway) for gateway in scene.home.gateways.values()]
        assert any(pressed)
        await scene.clock.sleep(60)
        assert not any(siren.sounding for siren in scene.sirens.values())
        went_s = scene.clock.monotonic_ns() / 1e9
        scene.home.start("alerts")
        await scene.until(lambda: bool(scene.home.desk.board().incidents), 60, "it is known")
        await scene.clock.sleep(40)
        (incident,) = scene.home.desk.board().incidents
        assert incident.state is IncidentState.ACKNOWLEDGED
        assert incident.acknowledged_by == STAFF_POINT
        assert scene.clock.monotonic_ns() / 1e9 - went_s < 110, "before nobody's arrival counts"

    virtual_scene(journey)
