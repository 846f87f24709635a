"""Kinds of devices by entry point: what somebody else does wrong costs that kind alone."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

import pytest

from contract.advert import COMPANY_ID, MalformedPacketError
from contract.clock import VirtualClock
from contract.devices import GROUP, Quantity, Reading, RefusedAdvertError
from contract.events import FaultCause
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert, LinkLostError
from edge.decode import Registry, UnusableKindError
from edge.wearables import OWN_KIND

ROOT = Path(__file__).parents[2]
HEARD = HeardAdvert("AA:AA:AA:AA:AA:AA", -60, {}, {}, 0)

PACKAGE = """
from contract.advert import MalformedPacketError
from contract.devices import Reading, RefusedAdvertError
from contract.events import FaultCause
from contract.protocols import LinkLostError

class Decoder:
    def __init__(self, *behaviour):
        self.behaviour = list(behaviour)

    def decode(self, heard):
        does = self.behaviour.pop(0)
        if isinstance(does, Exception):
            raise does
        return does

    def advert(self, heard, sink):
        self.decode(heard)

    async def hold(self, link, sink, clock):
        self.decode(None)

class Kind:
    def __init__(self, name, *behaviour, raises=None):
        self.name, self.behaviour, self.raises = name, behaviour, raises

    def recognise(self, heard):
        return None

    def wearable(self, config):
        if self.raises is not None:
            raise self.raises
        return Decoder(*self.behaviour) if self.behaviour else None

    sensor = wearable

ODD = Kind(
    "odd",
    [Reading("motion", 1)],
    KeyError("x"),
    3,
    [Reading("warmth", 1)],
    MalformedPacketError("cut short"),
    RefusedAdvertError(FaultCause.ADVERT_REPLAYED, "again"),
)
NEITHER = Kind("neither")
SECRETIVE = Kind("secretive", raises=ValueError("no such key: 5ec4e7"))
BROKEN = Kind("broken", raises=ZeroDivisionError("5ec4e7"))
STRAP = Kind("strap", KeyError("x"), LinkLostError("out of reach"), None)
MISNAMED = Kind("other")
NOTHING = 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package of this name beside the others, with these entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "oddities.py").write_text(PACKAGE)
    (tmp_path / "quits.py").write_text("import sys\nsys.exit('no licence')\n")
    (tmp_path / "breaks.py").write_text("raise RuntimeError('no such library')\n")

    def with_points(name: str, **points: str) -> list[EntryPoint]:
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        lines = [f"{kind} = {value}" for kind, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
        return list(PathDistribution(folder).entry_points)

    yield with_points
    for module in ("oddities", "quits", "breaks"):
        sys.modules.pop(module, None)


def ours() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return dict(project["entry-points"][GROUP])


@pytest.mark.parametrize("name", sorted(ours()))
def test_each_kind_of_ours_is_what_it_says(name):
    registry = Registry([EntryPoint(name, ours()[name], GROUP)])
    kind = registry.kind(name)
    assert kind.name == name
    assert kind.recognise(HEARD) is None, "an advert of nobody is nobody's"


def test_what_an_installed_package_names_is_found(install):
    install("others", odd="oddities:ODD")
    registry = Registry()
    assert "odd" in registry.names
    assert registry.kind("odd").name == "odd"


def test_nothing_is_loaded_before_it_is_needed(install):
    registry = Registry(install("others", odd="oddities:ODD", breaks="breaks:KIND"))
    assert registry.names == ["breaks", "odd"]
    assert "oddities" not in sys.modules
    registry.kind("odd")
    assert "oddities" in sys.modules


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere:KIND", "No module named 'nowhere'"),
        ("oddities:NOWHERE", "NOWHERE"),
        ("oddities:MISNAMED", "no contract.devices.DeviceKind of that name"),
        ("oddities:NOTHING", "no contract.devices.DeviceKind of that name"),
        ("breaks:KIND", "RuntimeError: no such library"),
        ("quits:KIND", "SystemExit: no licence"),
    ],
)
def test_a_broken_kind_is_named_and_costs_itself_alone(install, value, reason):
    registry = Registry(install("others", thing=value, odd="oddities:ODD"))
    for _ in range(2):
        with pytest.raises(UnusableKindError, match="'thing'") as caught:
            registry.kind("thing")
        assert reason in str(caught.value)
    assert [each.name for each in registry.usable()] == ["odd"]


def test_an_unknown_kind_says_which_there_are(install):
    registry = Registry(install("others", odd="oddities:ODD", strap="oddities:STRAP"))
    with pytest.raises(UnusableKindError, match="'nobody'; installed are odd, strap"):
        registry.kind("nobody")


def test_ours_is_nobody_elses_and_what_two_claim_is_neithers(install):
    found = [
        *install("thief", wardlight="oddities:ODD", shared="oddities:ODD"),
        *install("wardlight", wardlight=ours()[OWN_KIND]),
        *install("another", shared="oddities:ODD"),
    ]
    registry = Registry(found)
    assert registry.kind(OWN_KIND).recognise(HEARD) is None
    with pytest.raises(UnusableKindError, match=r"several packages .*'shared': another, thief"):
        registry.kind("shared")


def test_a_sensor_decoder_raises_nothing_but_what_it_may(install):
    registry = Registry(install("others", odd="oddities:ODD"))
    decoder = registry.sensor(SensorConfig(device="a", address="b", zone="c", kind="odd"))
    assert decoder.decode(HEARD) == [Reading(Quantity.MOTION, 1.0)]
    for reason in ("KeyError", "TypeError", "ValueError"):
        with pytest.raises(MalformedPacketError, match=rf"'odd' failed \({reason}\)"):
            decoder.decode(HEARD)
    with pytest.raises(MalformedPacketError, match="cut short"):
        decoder.decode(HEARD)
    with pytest.raises(RefusedAdvertError, match="again") as caught:
        decoder.decode(HEARD)
    assert caught.value.cause is FaultCause.ADVERT_REPLAYED


def test_a_wearable_decoder_raises_nothing_but_what_it_may(install):
    registry = Registry(install("others", strap="oddities:STRAP"))
    config = WearableConfig(device="strap-1", address="b", kind="strap")
    decoder = registry.wearable(config)
    with pytest.raises(MalformedPacketError, match=r"'strap' failed \(KeyError\)"):
        decoder.advert(HEARD, None)

    async def hold() -> None:
        await decoder.hold(None, None, VirtualClock())

    with pytest.raises(LinkLostError, match="out of reach"):
        asyncio.run(hold())
    with pytest.raises(LinkLostError, match="let go"):
        asyncio.run(hold())
    with pytest.raises(LinkLostError, match=r"'strap' failed \(IndexError\)"):
        asyncio.run(hold())


@pytest.mark.parametrize("name", ["secretive", "broken"])
def test_no_key_stands_in_a_refusal(install, name):
    registry = Registry(install("others", **{name: f"oddities:{name.upper()}"}))
    with pytest.raises(UnusableKindError, match="pir-1") as caught:
        registry.sensor(
            SensorConfig(device="pir-1", address="b", zone="c", kind=name, key="5ec4e7")
        )
    assert "5ec4e7" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_kind_that_is_not_of_this_sort_says_so(install):
    registry = Registry(install("others", neither="oddities:NEITHER"))
    with pytest.raises(UnusableKindError, match="no kind of room sensor"):
        registry.sensor(SensorConfig(device="a", address="b", zone="c", kind="neither"))
    with pytest.raises(UnusableKindError, match="no kind of wearable"):
        registry.wearable(WearableConfig(device="a", address="b", kind="neither"))


class Ear:
    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.heard: list[HeardAdvert] = []

    async def hear(self, heard: HeardAdvert) -> None:
        self.heard.append(heard)


def test_adverts_of_other_enrolled_devices_reach_whoever_takes_them(bench, make_config):
    ear = Ear("AA:AA:AA:AA:AA:01", "AA:AA:AA:AA:AA:02")

    async def main():
        gateway = bench.gateway(config=make_config())
        gateway.listener._ears = (ear,)
        async with bench.running(gateway):
            for address in ("AA:AA:AA:AA:AA:01", "AA:AA:AA:AA:AA:02", "AA:AA:AA:AA:AA:03"):
                bench.radio.hear(address, b"anything")
            await bench.clock.sleep(0.1)
            assert [each.address for each in ear.heard] == list(ear.addresses)
            assert gateway.counts["adverts_foreign"] == 1
            assert gateway.counts["adverts_heard"] == 3

    bench.clock.run(main())


def test_our_own_wearables_are_recognised(make_advert):
    kind = Registry([EntryPoint(OWN_KIND, ours()[OWN_KIND], GROUP)]).kind(OWN_KIND)
    data = make_advert(1)
    assert kind.recognise(HEARD._replace(manufacturer_data={COMPANY_ID: data})) is not None
    for other in (data[:-1], b"\x09" + data[1:]):
        assert kind.recognise(HEARD._replace(manufacturer_data={COMPANY_ID: other})) is None
