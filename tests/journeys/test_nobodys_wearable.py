"""A wearable that nobody is known to wear, and one whose wearer is bathing, alarm all the same."""

from __future__ import annotations

from alerts import Directory
from alerts.views import DeviceSort
from contract.messages import AbsenceKind
from wardlight.devices.hearing import Hearing
from wardlight.devices.table import device_list

WARM_UP_S = 15.0
TOLD_S = 10.0
"""A change of the records reaches the gateways within seconds."""


def test_the_button_of_a_wearable_that_is_nobodys_pages_the_floor_with_its_place(virtual_scene):
    async def journey(scene):
        home = scene.home
        directory = Directory(home._database, scene.plan.home, scene.clock)
        await scene.clock.sleep(WARM_UP_S)
        directory.unpair("wearable-5")
        await scene.clock.sleep(TOLD_S)
        scene.simulation.press_button("resident-5")
        await scene.until(lambda: bool(home.desk.board().incidents), 10, "the call for help")
        (incident,) = home.desk.board().incidents
        assert (incident.resident_id, incident.bed) == (None, None)
        assert (incident.device, incident.device_sort) == ("wearable-5", DeviceSort.WEARABLE)
        assert incident.zone in {gateway.zone for gateway in scene.plan.gateways}
        assert incident.paged_at_us is not None
        (reached,) = [line.detail for line in incident.log if line.what == "step_reached"]
        called = set(reached.partition(": ")[2].split(", "))
        names = {person.name for person in home.settings.staff if person.floor == "2/F"}
        ids = {person.id for person in home.settings.staff if person.floor == "2/F"}
        assert called in (names, ids), "the floor, and not the manager"

    virtual_scene(journey, "resident-5")


def test_a_fall_in_the_bath_pages_though_its_wearer_is_away(virtual_scene):
    async def journey(scene):
        home = scene.home
        await scene.clock.sleep(WARM_UP_S)
        home.desk.absent("resident-3", AbsenceKind.BATHING, "mei")
        await scene.clock.sleep(TOLD_S)
        for gateway in home.gateways.values():
            (told,) = [
                each for each in gateway.configs.current.wearables if each.resident == "resident-3"
            ]
            assert told.absence.kind is AbsenceKind.BATHING
        scene.simulation.fall("resident-3")
        await scene.until(lambda: bool(home.desk.board().incidents), 120, "the alert")
        (incident,) = home.desk.board().incidents
        assert incident.resident_id == "resident-3"
        assert incident.paged_at_us is not None

    virtual_scene(journey, "resident-3")


def test_whoever_enrols_devices_sees_what_the_gateways_hear_and_whose_it_is(virtual_scene):
    async def journey(scene):
        home = scene.home
        directory = Directory(home._database, scene.plan.home, scene.clock)
        await scene.clock.sleep(WARM_UP_S)
        directory.retire("wearable-6")
        await scene.clock.sleep(TOLD_S)
        hearing = Hearing(
            scene.bus("devices"),
            scene.plan.home,
            scene.clock,
            home.parts.ids,
            directory.gateways(),
        )
        await hearing.listen(8.0)
        found = device_list(hearing, directory.devices())
        assert found.gateways_silent == []
        heard = {row.device: row for row in found.devices if row.rssi_dbm is not None}
        assert heard.keys() == {None, *(f"wearable-{n}" for n in range(1, 6))}
        assert heard[None].address == scene.plan.wearable_of("resident-6").address
        assert heard["wearable-1"].resident == "resident-1"

    virtual_scene(journey)
