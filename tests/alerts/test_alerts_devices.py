"""Which devices are the home's: entered, given to people, taken back; told to gateways."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from alerts import Database, Directory
from alerts.devices import SETTINGS
from alerts.records.models import DeviceLog, Fault, Home, VitalPolicy
from contract.clock import VirtualClock
from contract.messages import VitalLimits
from contract.wire import encode

KEY = "00112233445566778899aabbccddeeff"
OTHER = "ffeeddccbbaa99887766554433221100"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request):
    return request.param


@pytest.fixture
def directory(ward_folder, staffed_url):
    database = Database(staffed_url(ward_folder))
    yield Directory(database, "demo", VirtualClock())
    database.close()


def told(directory, device):
    config = directory.gateway_config("gateway-a")
    return next(
        (each for each in (*config.wearables, *config.sensors) if each.device == device), None
    )


def revision(directory):
    return directory.gateway_config("gateway-a").revision


def log_of(directory):
    with directory._database.session() as session:
        rows = session.scalars(select(DeviceLog).order_by(DeviceLog.id))
        return [(row.device, row.what, row.by, row.resident) for row in rows]


def spare(directory, device="w7", address="C0:DE:5A:00:00:07", **fields):
    directory.add_wearable(device, address=address, **{"identity": 7, **fields})


def test_gateways_are_told_of_all_that_was_enrolled(directory):
    spare(directory, identity=0, kind="polar", key=KEY.upper(), zone="lounge")
    directory.add_sensor(
        "pull-cord", address="a4:c1:38:00:00:01", zone="corridor-2", key=OTHER, resident="r2"
    )
    directory.add_receiver("OMG_lounge", zone="lounge")
    wearable, sensor = told(directory, "w7"), told(directory, "pull-cord")
    assert (wearable.kind, wearable.key, wearable.zone) == ("polar", KEY, "lounge")
    assert (wearable.resident, wearable.bed, wearable.identity) == (None, None, 0)
    assert (sensor.kind, sensor.address, sensor.zone) == (
        "bthome",
        "A4:C1:38:00:00:01",
        "corridor-2",
    )
    assert (sensor.key, sensor.resident, sensor.bed) == (OTHER, "r2", "2/F 212")
    (receiver,) = directory.gateway_config("gateway-a").receivers
    assert (receiver.name, receiver.zone) == ("OMG_lounge", "lounge")


def test_the_same_again_changes_nothing(directory):
    seen = []
    for _ in range(2):
        spare(directory)
        directory.add_sensor("door", address="A4:C1:38:00:00:01", zone="lounge")
        directory.add_receiver("omg", zone="lounge")
        directory.set_vitals("r1", high_bpm=120)
        seen.append(revision(directory))
    assert seen[0] == seen[1]
    assert [line for line in log_of(directory) if line[0] == "w7"] == [
        ("w7", "enrolled", "program", None)
    ]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda d: spare(d, address="AA:00:00:00:00:01"), "address of 'w7' is that of 'w1'"),
        (lambda d: spare(d, identity=2), "identity of 'w7' is that of 'w2'"),
        (lambda d: spare(d, address="nowhere"), "six bytes"),
        (lambda d: spare(d, kind="No Kind"), "kind 'No Kind'"),
        (lambda d: spare(d, key="00"), "16 bytes in hexadecimal"),
        (lambda d: spare(d, resident="nobody"), "'nobody', who was not entered"),
        (lambda d: spare(d, zone="No Zone"), "zone 'No Zone'"),
        (lambda d: d.add_sensor("w1", address="AA:BB:00:00:00:09", zone="z"), "another sort"),
        (lambda d: d.add_sensor("s", address="AA:00:00:00:00:01", zone="z"), "that of 'w1'"),
        (lambda d: d.add_receiver("a/b", zone="lounge"), "one level of a topic"),
        (lambda d: d.pair("w9", resident="r1"), "enrol it first"),
        (lambda d: d.pair("w1", resident="nobody"), "'nobody' is unknown"),
        (lambda d: d.unpair("w9"), "enrol it first"),
        (lambda d: d.retire("w9"), "enrol it first"),
        (lambda d: d.set_key("w1", "xyz"), "16 bytes"),
        (lambda d: d.exchange("w1", "w9"), "no wearable that somebody wears"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(directory, work, said):
    before = revision(directory)
    with pytest.raises(ValueError, match=said):
        work(directory)
    assert revision(directory) == before


def test_two_devices_with_one_key_are_refused_without_saying_it(directory):
    spare(directory, key=KEY)
    with pytest.raises(ValueError, match="key of 'w8' is that of 'w7'") as refusal:
        spare(directory, "w8", "C0:DE:5A:00:00:08", identity=8, key=KEY)
    assert KEY not in str(refusal.value)
    with pytest.raises(ValueError, match="key of 'w1' is that of 'w7'") as refusal:
        directory.set_key("w1", KEY)
    assert KEY not in str(refusal.value)


def test_it_is_given_taken_back_and_given_to_another(directory):
    spare(directory)
    directory.pair("w7", resident="r2", by="op")
    assert (told(directory, "w7").resident, told(directory, "w7").bed) == ("r2", "2/F 212")
    directory.unpair("w7", by="op")
    assert told(directory, "w7").resident is None
    directory.pair("w7", zone="lounge", by="op")
    assert told(directory, "w7").zone == "lounge"
    assert [line for line in log_of(directory) if line[0] == "w7"] == [
        ("w7", "enrolled", "program", None),
        ("w7", "paired", "op", "r2"),
        ("w7", "unpaired", "op", None),
        ("w7", "paired", "op", None),
    ]


def test_two_that_were_swapped_are_exchanged_in_one_go(directory):
    directory.exchange("w1", "w2", by="mei")
    assert (told(directory, "w1").resident, told(directory, "w2").resident) == ("r2", "r1")
    assert ("w1", "exchanged", "mei", "r2") in log_of(directory)


def test_what_stands_of_a_device_is_its_new_wearers_and_ends_with_it(directory):
    with directory._database.transaction("demo") as session:
        session.add(
            Fault(
                home="demo",
                cause="battery_low",
                subject="device:w1",
                device="w1",
                resident="r1",
                opened_at_us=1,
            )
        )

    def stands():
        with directory._database.session() as session:
            (fault,) = session.scalars(select(Fault))
            return fault.resident, fault.cleared_at_us is None

    directory.pair("w1", resident="r3")
    assert stands() == ("r3", True)
    directory.retire("w1")
    assert stands()[1] is False


def test_retired_it_is_told_to_nobody_its_address_is_free_and_it_may_come_back(directory):
    spare(directory, key=KEY)
    directory.retire("w7")
    assert told(directory, "w7") is None
    assert [each.device for each in directory.devices()] == ["w1", "w2", "w3"]
    (gone,) = [each for each in directory.devices(retired=True) if each.is_retired]
    assert (gone.device, gone.has_key) == ("w7", False), "a key is not kept longer than needed"
    spare(directory, "w8", key=KEY)
    directory.retire("w8")
    spare(directory)
    assert told(directory, "w7").address == "C0:DE:5A:00:00:07"


def test_a_restart_undoes_nothing_that_people_did(directory):
    def file(**otherwise):
        said = {"address": "AA:00:00:00:00:01", "identity": 1, "resident": "r1", "by": SETTINGS}
        directory.add_wearable("w1", **(said | otherwise))

    file()
    directory.pair("w1", resident="r3", by="op")
    directory.set_key("w1", KEY, by="op")
    file()
    wearable = told(directory, "w1")
    assert (wearable.resident, wearable.key) == ("r3", KEY)
    file(placement="waist")
    wearable = told(directory, "w1")
    assert (wearable.resident, wearable.placement) == ("r3", "waist"), "only what is said anew"
    file(resident="r2")
    assert told(directory, "w1").resident == "r2", "an edit of the file is the later word"
    directory.retire("w1")
    file(resident="r2")
    assert told(directory, "w1") is None
    file(resident="r2", address="AA:00:00:00:00:0F")
    assert told(directory, "w1").resident == "r2", "another device under that name"


def test_a_key_in_the_file_is_remembered_by_its_fingerprint_alone(directory):
    address = "AA:00:00:00:00:01"
    directory.add_wearable("w1", address=address, identity=1, key=KEY, by=SETTINGS)
    directory.set_key("w1", OTHER, by="op")
    directory.add_wearable("w1", address=address, identity=1, key=KEY, by=SETTINGS)
    assert told(directory, "w1").key == OTHER
    with directory._database.session() as session:
        said = session.connection().exec_driver_sql("SELECT said FROM wearables").all()
    assert KEY not in str(said)


def test_no_view_of_the_devices_holds_a_key(directory):
    spare(directory, key=KEY)
    enrolled = directory.devices()
    assert [each.has_key for each in enrolled if each.device == "w7"] == [True]
    assert KEY.encode() not in encode(enrolled)


def test_vitals_are_told_to_gateways_and_paging_needs_a_clinician(directory):
    directory.set_vitals("r1", high_bpm=120, low_bpm=45, persistence_s=300)
    assert told(directory, "w1").vitals == VitalLimits(high_bpm=120, low_bpm=45, persistence_s=300)
    assert told(directory, "w2").vitals is None
    directory.set_vitals("r1", pages=True, clinician="Dr Ng")
    with directory._database.session() as session:
        policy = session.get(VitalPolicy, ("demo", "r1"))
    assert (policy.pages, policy.clinician, policy.high_bpm) == (True, "Dr Ng", None)
    for wrong in (
        {"pages": True},
        {"pages": True, "clinician": " "},
        {"high_bpm": 5},
        {"high_bpm": 60, "low_bpm": 60},
        {"persistence_s": 0},
    ):
        with pytest.raises(ValueError, match="vitals of 'r1'"):
            directory.set_vitals("r1", **wrong)
    with pytest.raises(ValueError, match="'nobody' is unknown"):
        directory.set_vitals("nobody", high_bpm=120)


def test_a_revision_for_each_change(directory):
    """Gateways keep the highest revision that they have seen, and so must hear of every change."""
    seen = [revision(directory)]
    for change in (
        lambda: spare(directory),
        lambda: directory.pair("w7", resident="r1"),
        lambda: directory.set_key("w7", KEY),
        lambda: directory.exchange("w1", "w2"),
        lambda: directory.unpair("w7"),
        lambda: directory.retire("w7"),
        lambda: directory.set_vitals("r1", high_bpm=110),
        lambda: directory.add_gateway("gateway-a", zone="room-1", floor="2/F"),
    ):
        change()
        seen.append(revision(directory))
    assert seen == sorted(set(seen))
    with directory._database.session() as session:
        assert session.get(Home, "demo").config_revision == seen[-1]
