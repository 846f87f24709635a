"""Parts of the home fail while somebody falls."""

from __future__ import annotations

import pytest

from contract.events import EventKind
from wardlight.stages import Stage

WARM_UP_S = 15.0


def test_the_broker_restarts_in_mid_fall(real_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.fall("resident-3")
        await scene.watch.reached(Stage.SUSPECTED, 60)
        scene.broker.kill()
        await scene.clock.sleep(20)
        await scene.broker.start()
        await scene.until(
            lambda: any(i.paged_at_us for i in scene.home.desk.board().incidents),
            240,
            "the fall is paged after the broker is back",
        )
        assert len(scene.home.desk.board().incidents) == 1

    real_scene(journey)


def test_ingest_is_down_for_an_hour(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        await scene.home.stop("ingest")
        went_us = scene.clock.now_ns() // 1000
        scene.simulation.fall("resident-3")
        await scene.clock.sleep(3600)
        (incident,) = scene.home.desk.board().incidents
        assert incident.paged_at_us - incident.at_us < 60_000_000, "alerts does not need ingest"
        scene.home.start("ingest")
        await scene.clock.sleep(300)
        back_us = scene.clock.now_ns() // 1000
        reader = scene.home.reader()
        stored = reader.events(went_us - 60_000_000, back_us)
        kinds = {each.event.kind for each in stored}
        assert {EventKind.FALL_SUSPECTED, EventKind.FALL_DETECTED} <= kinds
        series = reader.series("resident-6", "max_g", went_us, went_us + 3_600_000_000)
        seconds = set((series.at_us // 1_000_000).tolist())
        assert len(seconds) > 3500, "the hour's telemetry came after all"

    virtual_scene(journey)


def test_alerts_is_down_so_the_siren_sounds(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        await scene.home.stop("alerts")
        scene.simulation.fall("resident-3")
        await scene.clock.sleep(30 + 15 + 10)
        assert any(siren.sounding for siren in scene.sirens.values())
        scene.home.start("alerts")
        await scene.watch.reached(Stage.ALERTED, 60)
        await scene.until(
            lambda: not any(siren.sounding for siren in scene.sirens.values()),
            60,
            "the sirens stop once the alert service has the alarm",
        )

    virtual_scene(journey)


@pytest.mark.parametrize("service", ["alerts", "ingest"])
def test_a_service_restarts_every_minute_and_nothing_is_lost_or_doubled(virtual_scene, service):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        for round_number in range(6):
            if round_number == 2:
                scene.simulation.fall("resident-3")
            await scene.home.stop(service)
            await scene.clock.sleep(3)
            scene.home.start(service)
            await scene.clock.sleep(27)
        board = scene.home.desk.board()
        assert [incident.resident_id for incident in board.incidents] == ["resident-3"]
        assert board.incidents[0].paged_at_us is not None

    virtual_scene(journey)


def test_nobody_answers_so_everybody_is_called_and_the_siren_sounds(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.press_button("resident-3")
        await scene.until(lambda: bool(scene.home.desk.board().incidents), 10, "the call")
        await scene.clock.sleep(110)
        assert not any(siren.sounding for siren in scene.sirens.values())
        await scene.clock.sleep(20)
        assert any(siren.sounding for siren in scene.sirens.values())
        (incident,) = scene.home.desk.board().incidents
        scene.home.desk.acknowledge(incident.id, "kin")
        await scene.until(
            lambda: not any(siren.sounding for siren in scene.sirens.values()), 10, "silence"
        )

    virtual_scene(journey)


def test_both_gateways_hear_a_fall_and_people_see_one_alert(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        for resident in ("resident-1", "resident-3", "resident-6"):
            scene.simulation.fall(resident)
        await scene.clock.sleep(90)
        residents = sorted(i.resident_id for i in scene.home.desk.board().incidents)
        assert residents == ["resident-1", "resident-3", "resident-6"]

    virtual_scene(journey)
