"""Settings: a mistake is named with what would be right, before anything runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from alerts import Database, Directory
from contract.clock import VirtualClock
from firmware_sim import demo_home
from messaging import LocalBroker, LocalBus
from wardlight.roster import demo_settings, enrol
from wardlight.settings import Settings, SettingsError, load_settings
from wardlight.sounding import siren_of

EXAMPLE = Path(__file__).parents[2] / "docs/home.example.toml"


SENSOR = "[[sensors]]\nid='door'\naddress='A4:C1:38:00:00:01'\nzone='z'\n"


@pytest.fixture
def load(tmp_path):
    def load_text(text: str) -> Settings:
        path = tmp_path / "home.toml"
        path.write_text(text)
        return load_settings(path)

    return load_text


def test_the_example_is_the_simulated_home():
    example = load_settings(EXAMPLE)
    assert example == demo_settings(demo_home(sensors=True, entrance=True), example)


def test_the_example_shows_the_defaults():
    example = tomllib.loads(EXAMPLE.read_text())
    defaults = Settings()
    for table in ("broker", "web"):
        for key, value in example[table].items():
            assert getattr(getattr(defaults, table), key) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[broker]\nurll = 'x'", "'broker.urll'; did you mean 'url'?"),
        ("[brokr]\nurl = 'x'", "'brokr'; did you mean 'broker'?"),
        ("[[residents]]\nid='a'\nname='A'\nbed='1'\nzone='z'\nfloot='2'", "did you mean 'floor'?"),
        ("[web]\nport = 70000", "web.port"),
        ("[home]\nid = 'No Capitals'", "home.id"),
        ("[web\nport = 1", "no valid TOML"),
        ("[ingest]\nraw_days = 30\nminute_days = 30", "more than raw_days"),
        ("[ingest.influx]\nurll = 'x'", "'ingest.influx.urll'; did you mean 'url'?"),
        ("[ingest.influx]\nurl = 'http://me:secret@host:8086'", "ingest.influx.url"),
        ("[[gateways]]\nname='ingest'\nzone='z'", "belongs to a service"),
        (
            "[[residents]]\nid='a'\nname='A'\nbed='1'\nzone='z'\n" * 2,
            "residents: 'a' stands twice",
        ),
        ("[[staff]]\nid='mei'\nname='M'\nresidents=['gone']", "unknown resident 'gone'"),
        ("[[residents]]\nid='a'\nname='A'\nbed='1'\nzone='z'\ndevice='w'", "go together"),
        (SENSOR + SENSOR, "devices: 'door' stands twice"),
        (SENSOR + SENSOR.replace("door", "bed"), "addresses: 'A4:C1:38:00:00:01' stands twice"),
        (SENSOR + "zoen='b'\n", "did you mean 'zone'?"),
        (SENSOR + "resident='gone'\n", "unknown resident 'gone'"),
        (SENSOR + f"key='{'0' * 32}'\nkey_file='b'\n", "not both"),
        (SENSOR.replace("A4", "a4"), "sensors.0.address"),
    ],
)
def test_a_mistake_is_named(load, text, said):
    with pytest.raises(SettingsError) as refusal:
        load(text)
    assert said in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone.toml: cannot be read"):
        load_settings(tmp_path / "gone.toml")


def test_the_environment_overrides_the_file(load, monkeypatch):
    monkeypatch.setenv("WARDLIGHT_BROKER__URL", "mqtt://10.0.0.5:1883")
    assert load("[broker]\nurl = 'mqtt://127.0.0.1:1'").broker.url == "mqtt://10.0.0.5:1883"


def test_settings_cannot_be_changed(load):
    with pytest.raises(ValueError, match="frozen"):
        load("").web.port = 1  # type: ignore[misc]


def test_the_siren_is_what_the_settings_say_and_what_cannot_sound_is_told(load, tmp_path):
    settings = load(
        "[siren]\nloudspeaker = 'yes'\ngpio_pin = 17\nmqtt = false\n"
        f"[siren.sounds]\nalarm = '{tmp_path / 'gone.wav'}'"
    )
    clock = VirtualClock()
    troubles = siren_of(settings, LocalBus(LocalBroker(), "gateway-a", clock), clock).troubles
    assert any("gone.wav: cannot be read" in each for each in troubles)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[siren]\ngpio_pin = 40", "siren.gpio_pin"),
        ("[siren]\nloudspeaker = 'loud'", "siren.loudspeaker"),
        ("[siren.sounds]\nalarmm = 'a.wav'", "siren.sounds"),
        ("[home]\nsiren_volume = [{from_hour = 22, volume_percent = 0}]", "greater than or equal"),
    ],
)
def test_a_siren_that_is_set_wrongly_is_named(load, text, said):
    with pytest.raises(SettingsError) as refusal:
        load(text)
    assert said in str(refusal.value)


def test_the_volume_by_the_hour_reaches_the_gateways(load, tmp_path):
    settings = load("[home]\nsiren_volume = [{from_hour = 22, volume_percent = 40}]")
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    directory = Directory(database, settings.home.id, VirtualClock())
    enrol(settings, directory)
    (hours,) = directory.gateway_config("gateway-a").siren_volume
    assert (hours.from_hour, hours.volume_percent) == (22, 40)
    database.close()


def test_a_device_that_cannot_be_entered_keeps_nobody_from_being_watched(load, tmp_path):
    settings = load(
        "".join(
            f"[[residents]]\nid='r{n}'\nname='N'\nbed='b{n}'\nzone='z'\ndevice='w{n}'\n"
            f"address='AA:00:00:00:00:0{n}'\nidentity={n}\n"
            for n in (1, 2)
        )
        + "vitals = {pages=true, clinician='Dr Ng', high_bpm=120}\n"
    )
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    directory = Directory(database, settings.home.id, VirtualClock())
    directory.add_wearable("by-hand", address="AA:00:00:00:00:01", identity=9)
    enrol(settings, directory)
    config = directory.gateway_config("gateway-a")
    assert [each.device for each in config.wearables] == ["by-hand", "w2"]
    assert config.wearables[1].vitals.high_bpm == 120
    database.close()


@pytest.mark.parametrize(
    ("vitals", "said"),
    [
        ("{pages=true}", "clinician"),
        ("{high_bpm=50, low_bpm=60}", "above low_bpm"),
        ("{high=50}", "did you mean 'high_bpm'?"),
    ],
)
def test_vitals_that_cannot_be_are_named(load, vitals, said):
    with pytest.raises(SettingsError) as refusal:
        load(f"[[residents]]\nid='a'\nname='A'\nbed='1'\nzone='z'\nvitals={vitals}")
    assert said in str(refusal.value)


def test_a_key_in_the_settings_is_never_shown(load):
    with pytest.raises(SettingsError) as refusal:
        load("[[residents]]\nid='a'\nname='A'\nbed='1'\nzone='z'\nkey='hush'")
    assert "residents.0.key" in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_a_sensors_key_comes_from_its_file_and_is_never_shown(load, tmp_path):
    key = "231d39c1d7cc1ab1aee224cd096db932"
    (tmp_path / "door.key").write_text(key + "\n")
    settings = load(
        SENSOR
        + f"key_file='{tmp_path / 'door.key'}'\n"
        + SENSOR.replace("door", "bed").replace(":01", ":02")
        + f"key_file='{tmp_path / 'gone.key'}'\n"
    )
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    clock = VirtualClock()
    directory = Directory(database, settings.home.id, clock)
    enrol(settings, directory)
    (sensor,) = directory.gateway_config("gateway-a").sensors
    assert (sensor.device, sensor.zone, sensor.kind, sensor.key) == ("door", "z", "bthome", key)
    # Taken out of use and enrolled again, it begins to count anew.
    assert sensor.enrolled_us == clock.now_ns() // 1000

    async def later() -> None:
        await clock.sleep(60.0)

    clock.run(later())
    directory.retire("door")
    assert directory.gateway_config("gateway-a").sensors == []
    directory.add_sensor("door", address="A4:C1:38:00:00:01", zone="z", key=key)
    (again,) = directory.gateway_config("gateway-a").sensors
    assert again.enrolled_us == sensor.enrolled_us + 60 * 10**6
    database.close()
    with pytest.raises(SettingsError) as refusal:
        load(SENSOR + f"key='{key[:-1]}'\n")
    assert key[:-1] not in str(refusal.value)


def test_receivers_reach_the_gateways_configuration(load, tmp_path):
    settings = load(
        "[home]\nid='demo'\n[[gateways]]\nname='gateway-a'\nzone='z'\n"
        "[[receivers]]\nname='OMG_lounge'\nzone='lounge'\n"
    )
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    directory = Directory(database, "demo", VirtualClock())
    enrol(settings, directory)
    (receiver,) = directory.gateway_config("gateway-a").receivers
    assert (receiver.name, receiver.zone) == ("OMG_lounge", "lounge")
    database.close()
    for text, said in (
        ("name='a/b'\nzone='z'", "receivers.0.name"),
        ("name='a'\nzone='z'\n[[receivers]]\nname='a'\nzone='y'", "'a' stands twice"),
    ):
        with pytest.raises(SettingsError, match=said):
            load(f"[[receivers]]\n{text}")
