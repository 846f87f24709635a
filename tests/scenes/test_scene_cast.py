"""Who and what a scene speaks of."""

from __future__ import annotations

import pytest

from wardlight.scenes import SceneError
from wardlight.scenes.cast import Cast
from wardlight.scenes.scene import identifier_of


def faults_of(scene) -> str:
    with pytest.raises(SceneError) as caught:
        Cast(scene)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("ada", "ada"), ("Mrs Chan", "mrs-chan"), ("陳美玲", "resident-2"), ("  ", "resident-2"),
     ("Ünal", "nal"), ("a" * 40, "a" * 32), ("night_carer", "night-carer")],
)  # fmt: skip
def test_friendly_names_have_identifiers(name, identifier):
    assert identifier_of(name, "resident-2") == identifier


def test_the_default_home_is_the_demo_s(read):
    cast = Cast(read("scene: Default"))
    assert list(cast.residents) == ["ada", "ben", "cara", "dora", "eric", "fay"]
    assert [w.streaming for w in cast.plan.wearables] == [True, False, False, True, False, False]
    assert [gateway.name for gateway in cast.plan.gateways] == ["gateway-a", "gateway-b"]
    assert cast.settings.residents[0].bed == "2/F 211-A"
    assert cast.settings.staff[0].residents == tuple(cast.residents.values())


def test_only_those_who_are_named_live_there(read):
    cast = Cast(read("scene: Few\nresidents:\n  陳美玲: {bed: 1-A}\n  Mrs Wong:\n"))
    assert cast.residents == {"陳美玲": "resident-1", "Mrs Wong": "mrs-wong"}
    assert cast.friendly("resident-1") == "陳美玲"
    assert cast.plan.wearables[0].bed == "1-A"


def test_rooms_know_the_way_back_and_lie_apart(read):
    cast = Cast(
        read(
            """
            scene: Rooms
            rooms:
              bedroom: {next_to: [hall]}
              hall: {}
              kitchen: {at: [20, 3], next_to: [hall]}
            gateways: {g: hall}
            residents: {ada: {room: kitchen}, ben: {}}
            """
        )
    )
    assert cast.plan.route("bedroom", "kitchen") == ["bedroom", "hall", "kitchen"]
    assert cast.plan.zone("hall").x_m == 6.0
    assert [w.zone for w in cast.plan.wearables] == ["kitchen", "bedroom"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("happens: [{at: 0, fall: adda}]", "there is no resident 'adda'; did you mean 'ada'?"),
        ("happens: [{at: 0, stop: ingst}]", "there is no service 'ingst'; did you mean 'ingest'?"),
        ("happens: [{at: 0, deafen: gateway-c}]", "no gateway 'gateway-c'; did you mean 'gateway"),
        ("happens: [{at: 0, acknowledge: may}]", "nobody here is 'may'"),
        ("happens: [{at: 0, acknowledge: nurse}]", "nobody here is 'nurse'"),
        ("happens: [{at: 0, acknowledge: mei, about: bea}]", "there is no resident 'bea'"),
        ("happens: [{at: 9, fall: ada}]\nlasts: 5", "at 9 s the scene of 5 s is over"),
        ("expect: [{page: mei, within: 9}]\nlasts: 5", "page waits until 9 s, but the scene of 5"),
        ("expect: [{page: night caver, within: 9}]", "did you mean 'night carer'?"),
        ("expect: [{siren: alarm, gateway: x, within: 9}]", "there is no gateway 'x'"),
        ("residents: {Ada: {}, ada: {}}", "both become 'ada'"),
        ("residents: {ada: {room: hal}}", "room 'hal', which this home does not have"),
        ("rooms: {hall: {next_to: [den]}}", "next to 'den', which this home does not have"),
        ("staff: {mei: {looks_after: [adda]}}", "who does not live here; did you mean 'ada'?"),
        ("staff: {a: {post: x}, b: {post: x}}\nhappens: [{at: 0, arrive: x}]", "are several"),
        ("gateways: {ingest: lounge}", "this name belongs to a service"),
        ("gateways: {Gate A: lounge}", "use 1 to 32 lower-case letters"),
        ("gateways: {broker: lounge}", "this name belongs to the broker"),
        ("happens: [{at: 0, play: ada, recording: none.parquet}]", "play: there is no file"),
    ],
)
def test_who_is_not_there_is_named(read, text, fault):
    assert fault in faults_of(read(f"scene: Wrong\n{text}\n"))


def test_names_of_people(read):
    cast = Cast(read("scene: Default"))
    assert cast.people("night carer") == cast.people("Night_Carer") == {"mei"}
    assert cast.people("care worker") == {"mei"}
    assert cast.people("nurse") == {"kin"}
    assert cast.people("anyone") == {"mei", "kin", "siu"}
    assert cast.people("nobody") == frozenset()


def test_the_environment_changes_nothing(read, monkeypatch):
    monkeypatch.setenv("WARDLIGHT_HOME__TIME_ZONE", "Europe/Berlin")
    monkeypatch.setenv("WARDLIGHT_BROKER__URL", "mqtt://elsewhere:1")
    settings = Cast(read("scene: Default")).settings
    assert settings.home.time_zone == "Asia/Hong_Kong"
    assert settings.broker.url == "mqtt://127.0.0.1:1883"
