"""Tags that staff wear: they call for help, and leave no trace."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import numpy as np
import pytest

from contract import topics, wire
from contract.events import EventKind
from contract.messages import Presence
from contract.protocols import HeardAdvert
from contract.units import seconds_to_ns
from contract.whereabouts import Whereabouts, ZoneConfig, ZoneUse
from detectors.wear import NOT_WORN_MIN
from edge.carers import FORGOTTEN_S, WORN_NS, Carers
from edge.page import state
from edge.strengths import DEAF_NS, Hearing
from edge.wearables import NEVER, Roster
from messaging import LocalBus

PLAN = [
    ZoneConfig(zone="room-211", use=ZoneUse.BEDROOM, next_to=["corridor"]),
    ZoneConfig(zone="corridor", use=ZoneUse.CORRIDOR),
]
STANDS_IN = {"gateway-a": "room-211", "gateway-b": "corridor"}
S = seconds_to_ns(1)
MEMORY_S = 15 * 60
"""What staff are promised."""


@pytest.fixture
def with_tag(make_config, make_wearable):
    tag = make_wearable(2, device="tag-1", resident=None, bed=None, zone=None, is_carer=True)
    return make_config(make_wearable(1), tag, zones=PLAN, gateway_zones=STANDS_IN)


async def walk(bench, seconds: int, number: int = 2, first: int = 100, **changes) -> None:
    for second in range(first, first + seconds):
        values = {"deviation_g": 0.1, **changes}
        await bench.advertise(1, first=second, number=number, **values)


def test_nothing_of_a_tag_is_stored_or_told_but_its_strengths_between_gateways(bench, with_tag):
    heard: list[Presence | Whereabouts] = []

    async def take(messages):
        for each in messages:
            kind = Presence if topics.parse(each.topic).branch == topics.PRESENCE else Whereabouts
            heard.append(wire.decode(each.payload, kind))

    async def main():
        gateway = bench.gateway(config=with_tag)
        bus = LocalBus(bench.broker, "listener", bench.clock)
        filters = [topics.build("demo", "+", each) for each in ("presence", "whereabouts")]
        listening = asyncio.create_task(bus.run(filters, take))
        async with bench.running(gateway):
            await bench.advertise(5)
            # It wanders about, falls, is taken off, lies unheard for half an hour.
            await walk(bench, 20)
            await walk(bench, 5, first=120, candidate_counter=1, candidate_pending=True, max_g=4.0)
            for second in range(130, 130 + 60 * (NOT_WORN_MIN + 1), 10):
                await walk(bench, 1, first=second, worn=False, deviation_g=0.001)
                await bench.clock.sleep(9.0)
            await bench.clock.sleep(120.0)
            assert [each.device for each in state.look(gateway).beds] == ["wearable-1"]
        listening.cancel()
        assert bench.radio.connects == 0

    bench.clock.run(main())
    told = [payload for _, topic, payload in bench.far_end.payloads if "/presence" not in topic]
    events = [each for each in bench.far_end.events if each.device == "tag-1"]
    assert events == []
    assert not any(b"tag-1" in payload for payload in told)
    assert {point.device for batch in bench.far_end.batches for point in batch.points} == {
        "wearable-1"
    }
    assert any("tag-1" in each.strengths[""] for each in heard if isinstance(each, Presence))
    places = [each for each in heard if isinstance(each, Whereabouts)]
    assert places
    assert all(set(each.places) == {"resident-1"} for each in places)
    assert not any(b"tag-1" in path.read_bytes() for path in kept_files(bench))


def kept_files(bench):
    """All that outlives a restart, but for the configuration, which says that there is a tag."""
    return [
        path for path in bench.folder.rglob("*") if path.is_file() and path.name != "config.json"
    ]


def test_the_button_of_a_tag_calls_help_from_where_it_is_heard(bench, with_tag):
    async def main():
        async with bench.running(bench.gateway(config=with_tag)):
            await walk(bench, 10)
            await walk(bench, 2, first=110, button_counter=1, button_pending=True)
        (event,) = bench.far_end.of(EventKind.HELP_REQUESTED)
        assert (event.device, event.resident, event.zone) == ("tag-1", None, "corridor")

    bench.clock.run(main())


def strengths_of(device: str, begin: object) -> Iterator[object]:
    """Whatever can be reached that holds a signal strength of a device."""
    seen, waiting = {id(begin)}, [begin]
    while waiting:
        each = waiting.pop()
        value = each.get(device) if isinstance(each, dict) else None
        if isinstance(value, float) and -127.0 <= value < -20.0:
            yield each
        if isinstance(each, type) or type(each).__name__ in {"module", "function", "frame"}:
            continue
        for other in gc.get_referents(each):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def test_where_a_tag_was_is_in_no_memory_after_a_quarter_of_an_hour(bench, with_tag, make_advert):
    radios = [type(bench.radio)(bench.clock) for _ in STANDS_IN]

    async def main():
        gateway, other = (
            bench.gateway(name, config=with_tag, radio=radio)
            for name, radio in zip(STANDS_IN, radios, strict=True)
        )
        async with bench.running(gateway):
            dying = asyncio.create_task(other.run())
            bench.radio = radios[0]
            for second in range(100, 130):
                heard = make_advert(second, identity=2, deviation_g=0.1)
                radios[1].hear("C0:DE:00:00:00:02", heard, -80)
                await walk(bench, 1, first=second)
            tag = gateway.roster.by_device["tag-1"]
            row = gateway.following._row["tag-1"]
            assert list(strengths_of("tag-1", gateway.following))
            assert list(strengths_of("tag-1", gateway.neighbours))
            assert gateway.following._filter.belief[row].max() > 0.55
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
            await bench.clock.sleep(MEMORY_S)
            assert not list(strengths_of("tag-1", gateway.following))
            assert not list(strengths_of("tag-1", gateway.neighbours))
            assert np.ptp(gateway.following._filter.belief[row]) < 0.01
            assert tag.rssi_dbm is None
            assert FORGOTTEN_S < MEMORY_S

    bench.clock.run(main())


@pytest.mark.parametrize("has_plan", [True, False])
def test_a_gateway_forgets_a_tag_that_only_others_hear_whether_there_is_a_plan_or_not(
    bench, with_tag, make_config, has_plan
):
    config = with_tag if has_plan else make_config(*with_tag.wearables)
    elsewhere = type(bench.radio)(bench.clock)

    async def main():
        gateway = bench.gateway(config=config)
        other = bench.gateway("gateway-b", config=config, radio=elsewhere)
        async with bench.running(gateway, other):
            await walk(bench, 5)
            tag = gateway.roster.by_device["tag-1"]
            assert tag.rssi_dbm is not None
            bench.radio = elsewhere
            bench.clock.pass_time(FORGOTTEN_S * S)
            await walk(bench, 3, first=900)
            assert (tag.rssi_dbm, tag.heard_ns) == (None, NEVER)
            assert gateway.neighbours.heard_anywhere_ns(tag) != NEVER

    bench.clock.run(main())


def test_of_a_receiver_is_known_whom_it_heard_in_its_last_seconds_and_not_since_morning():
    hearing = Hearing()
    advert = HeardAdvert("C0:DE:00:00:00:02", -60, {}, {}, 0, receiver="room-3")
    for second in range(120):
        hearing.note([advert], second * S)
        told = hearing.second([("tag-1", {"room-3": -60.0} if second < 60 else {})], second * S)
        assert told == {"room-3": {"tag-1": -60.0} if second < 60 else {}}
    assert hearing._receivers["room-3"].devices == {}
    hearing.second([("tag-1", {"room-3": -60.0})], 120 * S)
    assert hearing.second([], 120 * S + DEAF_NS + S) == {}
    assert hearing._receivers["room-3"].devices == {}


def test_a_tag_that_lies_by_the_door_is_not_worn(clock, with_tag):
    roster = Roster()
    roster.apply(with_tag)
    carers = Carers(clock)
    carers.follow(each for each in roster if each.config.is_carer)

    async def main():
        carers.note([("tag-1", float("nan"))])
        assert not carers.is_worn("tag-1")
        carers.note([("tag-1", 0.1)])
        assert carers.is_worn("tag-1")
        await clock.sleep(WORN_NS / 1e9 - 1.0)
        carers.note([("tag-1", 0.005)])
        assert carers.is_worn("tag-1")
        await clock.sleep(2.0)
        assert not carers.is_worn("tag-1")

    clock.run(main())


def test_of_a_gateway_that_is_gone_is_kept_what_it_told_and_not_whom_it_heard(bench):
    neighbours = bench.gateway().neighbours
    said = Presence(
        schema=1,
        gateway="gateway-b",
        session="s",
        sequence=1,
        at_us=0,
        heard={},
        strengths={"": {"tag-1": -60.0}},
        told=["elopement:resident-1:100"],
    )

    async def main():
        assert neighbours.hear(said)
        assert not neighbours.hear(said)
        for waited_s, is_kept in ((59.0, True), (2.0, False)):
            await bench.clock.sleep(waited_s)
            neighbours.message({})
            assert bool(list(strengths_of("tag-1", neighbours._said))) is is_kept
        assert neighbours.told_elsewhere() == {"elopement:resident-1:100"}
        assert neighbours.silent_since_ns("gateway-b") is not None

    bench.clock.run(main())
