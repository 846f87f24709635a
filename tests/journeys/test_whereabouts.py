"""Rooms in a home that runs: learnt by a walk; and a lead that dies at the door."""

from __future__ import annotations

from collections import Counter

import msgspec

from contract.events import EventKind
from detectors import room_file
from evaluation.rooms import calibrate, read_sequence
from firmware_sim.plan import AT_RISK, ENTRANCE
from wardlight.running import background
from wardlight.walking import WalkRun, missing

WARM_UP_S = 20.0
WALKER = "resident-6"
STAY_MINUTES = 0.6


def test_a_home_is_learnt_by_a_walk_and_then_told_better(virtual_scene, tmp_path):
    """Somebody walks through it with a wearable and a phone; then somebody else is looked for."""

    async def journey(scene):
        bus = scene.bus("walk")
        run = WalkRun(
            scene.home.settings, tmp_path / "walk", "wearable-6",
            bus=bus, clock=scene.clock, say=lambda _: None,
        )  # fmt: skip
        before = await told_rightly(scene, "resident-5")
        async with background(run.listen()):
            await scene.clock.sleep(WARM_UP_S)
            assert run.trouble() is None
            for zone in [each.zone for each in scene.plan.zones]:
                run.now_in(None)
                scene.simulation.go(WALKER, zone, STAY_MINUTES)
                await scene.until(lambda z=zone: scene.simulation.zone_of(WALKER) == z, 120, zone)
                run.now_in(zone)
                await scene.clock.sleep(34)
        run.recorder.finish()
        assert missing(run.state()) == []
        walked = read_sequence(tmp_path / "walk")
        assert set(walked.visited) == {each.zone for each in scene.plan.zones}
        model = calibrate([walked])
        for gateway in scene.home.gateways.values():
            config = gateway.configs.current
            gateway._apply_config(
                msgspec.structs.replace(
                    config, revision=config.revision + 1, rooms=room_file.pack(model)
                )
            )
        after = await told_rightly(scene, "resident-5")
        assert after >= max(before, 0.7), (before, after)

    virtual_scene(journey, sensors=True, entrance=True, is_walked=False)


async def told_rightly(scene, resident):
    """Share of the seconds in two rooms in which every gateway told where she was."""
    right = Counter()
    device = scene.plan.wearable_of(resident).device
    for zone in ("room-213", "room-212"):
        scene.simulation.go(resident, zone, 1.0)
        await scene.until(lambda z=zone: scene.simulation.zone_of(resident) == z, 120, zone)
        await scene.clock.sleep(15)
        for _ in range(10):
            await scene.clock.sleep(1)
            places = [
                each.following.places.place_of(each.roster.by_device[device])
                for each in scene.home.gateways.values()
            ]
            right[all(place is not None and place.zone == zone for place in places)] += 1
    return right[True] / right.total()


def test_the_lead_dies_as_she_opens_the_door_and_she_is_told_all_the_same(virtual_scene):
    async def journey(scene):
        await scene.clock.sleep(WARM_UP_S)
        scene.simulation.go_out(AT_RISK, ENTRANCE)
        await scene.until(
            lambda: any(entry.what == "opens_door" for entry in scene.simulation.truth),
            200,
            "the door",
        )
        (lead,) = [n for n, g in scene.home.gateways.items() if g.neighbours.is_lead()]
        await scene.home.stop(lead)
        await scene.until(lambda: bool(scene.home.desk.board().incidents), 10, "the takeover")
        await scene.clock.sleep(20)
        (incident,) = scene.home.desk.board().incidents
        assert (incident.resident_id, incident.kind) == (AT_RISK, EventKind.ELOPEMENT)

    virtual_scene(journey, AT_RISK, sensors=True, entrance=True)
