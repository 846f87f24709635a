"""A device of the home that is nobody's alarms all the same: by where it was heard."""

from __future__ import annotations

import pytest

from alerts.views import DeviceSort
from contract.events import EventKind


def enter(ward):
    ward.directory.add_wearable("spare", address="C0:DE:5A:00:00:07", identity=7, zone="lounge")
    ward.directory.add_sensor("pull-cord", address="A4:C1:38:00:00:01", zone="corridor-3")
    ward.directory.add_gateway("gateway-b", zone="corridor-3", floor="3/F")


@pytest.mark.parametrize(
    ("fields", "called", "zone", "sort"),
    [
        # The zone of a bed on 2/F.
        ({"device": "spare", "zone": "room-2"}, "mei wai", "room-2", DeviceSort.WEARABLE),
        # A corridor of which the settings say the floor.
        ({"device": "spare", "zone": "corridor-3"}, "ka", "corridor-3", DeviceSort.WEARABLE),
        # Nothing is known of this zone; the gateway that heard it stands in a room on 2/F.
        ({"device": "spare", "zone": "garden"}, "mei wai", "garden", DeviceSort.WEARABLE),
        # It does not say where; it belongs to the lounge.
        ({"device": "spare"}, "mei wai", "lounge", DeviceSort.WEARABLE),
        ({"device": "pull-cord", "zone": "corridor-3"}, "ka", "corridor-3", DeviceSort.SENSOR),
    ],
)
def test_the_floor_of_the_place_is_called(ward, fields, called, zone, sort):
    enter(ward)
    ward.play((0, ward.say(EventKind.HELP_REQUESTED, **fields)), until=1)
    ward.want_rings((0, called))
    (incident,) = ward.last_board.incidents
    assert (incident.resident_id, incident.bed) == (None, None)
    assert (incident.zone, incident.device_sort) == (zone, sort)
    assert ward.states[-1].alerts[0].bed == zone, "what a gateway's page shows"


def test_it_widens_to_everyone(ward):
    enter(ward)
    ward.play((0, ward.say(EventKind.FALL_DETECTED, device="spare", zone="room-1")), until=125)
    ward.want_rings((0, "mei wai"), (60, "mei wai"), (120, "mei wai ka"))


def test_nobody_on_that_floor_is_on_duty_so_everyone_is_called(ward):
    enter(ward)
    ward.directory.set_on_duty("ka", False)
    ward.play((0, ward.say(EventKind.FALL_DETECTED, device="spare", zone="corridor-3")), until=1)
    ward.want_rings((0, "mei wai"))


def test_a_sensor_at_one_persons_bed_is_hers(ward):
    enter(ward)
    ward.directory.pair("pull-cord", resident="r1", zone="room-1")
    ward.play((0, ward.say(EventKind.HELP_REQUESTED, device="pull-cord", zone="room-1")), until=1)
    ward.want_rings((0, "mei"))
    assert ward.last_board.incidents[0].bed == "2/F 211"


def test_the_fall_of_a_spare_that_was_given_to_somebody_is_hers(ward):
    enter(ward)
    ward.directory.pair("spare", resident="r3")
    ward.play((0, ward.say(EventKind.FALL_DETECTED, device="spare", zone="room-1")), until=1)
    assert ward.last_board.incidents[0].resident_id == "r3"
