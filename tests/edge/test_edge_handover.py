"""Faults of wear and sensors between several gateways, and beside a charger."""

from __future__ import annotations

import asyncio

import pytest

from contract import topics, wire
from contract.events import EventKind, FaultCause
from contract.messages import MESSAGE_SCHEMA, Presence
from edge.pipeline import ROWS_AT_A_TIME
from messaging import LocalBus


async def neighbour(bench, seconds: int, rssi: float | None = -90.0, **faults):
    """Another gateway that hears the wearable, as far as presence tells."""
    for sequence in range(seconds):
        presence = Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-b",
            session=f"b-{bench.clock.monotonic_ns()}",
            sequence=sequence + 1,
            at_us=0,
            heard={} if rssi is None else {"wearable-1": rssi},
            **faults,
        )
        bench.broker.publish(topics.build("demo", "gateway-b", "presence"), wire.encode(presence))
        await bench.clock.sleep(1.0)


@pytest.mark.parametrize(
    ("held", "kinds"),
    [
        ({"wearable-1": ["not_worn"]}, [EventKind.FAULT]),
        ({"wearable-1": ["sensor_fault"]}, [EventKind.FAULT, EventKind.FAULT_CLEARED]),
        ({}, [EventKind.FAULT, EventKind.FAULT_CLEARED]),
    ],
)
def test_a_fault_that_two_gateways_say_is_not_ended_by_the_one_that_hears_no_more(
    bench, held, kinds
):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(1_215, worn=False, heart_rate_bpm=None)
            await neighbour(bench, 120, distrusted=held)
            assert [e.kind for e in bench.far_end.faults(FaultCause.NOT_WORN)] == kinds

    bench.clock.run(main())


def test_a_gateway_tells_its_neighbours_whom_it_distrusts(bench):
    async def main():
        gateway = bench.gateway()
        heard: list[Presence] = []

        async def take(messages):
            heard.extend(wire.decode(each.payload, Presence) for each in messages)

        bus = LocalBus(bench.broker, "listener", bench.clock)
        topic = topics.build("demo", "gateway-a", "presence")
        async with bench.running(gateway):
            listening = asyncio.create_task(bus.run([topic], take))
            await bench.advertise(1_215, worn=False, heart_rate_bpm=None)
            listening.cancel()
        assert heard[10].distrusted == {}
        assert heard[-1].distrusted == {"wearable-1": ["not_worn"]}

    bench.clock.run(main())


def test_enrolments_do_not_put_off_what_is_not_worn(bench, make_config, make_wearable):
    gateway = bench.gateway()
    still = {"worn": None, "heart_rate_bpm": None}

    async def main():
        async with bench.running(gateway):
            await bench.advertise(1_100, **still)
            wearables = [make_wearable(number) for number in range(1, ROWS_AT_A_TIME + 2)]
            gateway._apply_config(make_config(*wearables, revision=2))
            await bench.advertise(220, first=1_200, **still)
            (fault,) = bench.far_end.faults(FaultCause.NOT_WORN)
            assert fault.device == "wearable-1"

    bench.clock.run(main())


def test_a_night_on_the_charger_is_no_night_unworn(bench):
    async def main():
        still = {"worn": None, "heart_rate_bpm": None, "deviation_g": 0.001}
        async with bench.running(bench.gateway()):
            await bench.advertise(1_500, charging=True, **still)
            await bench.advertise(600, first=1_600, **still)
            assert bench.far_end.faults(FaultCause.NOT_WORN) == []
            await bench.advertise(780, first=2_200, **still)
            assert len(bench.far_end.faults(FaultCause.NOT_WORN)) == 1

    bench.clock.run(main())


MOVES = {"deviation_g": 0.1, "heart_rate_bpm": None}
HELD = {"distrusted": {"wearable-1": ["sensor_fault"]}}


async def at_home(bench, seconds: int, first: int) -> None:
    """An arm that moves and rests, before a sensor that is well."""
    for second in range(first, first + seconds, 2):
        for turn in (0, 1):
            mean_g = (0.3 * ((second // 7) % 2), 0.02 * turn, 0.95 + 0.01 * turn)
            await bench.advertise(1, first=second + turn, mean_g=mean_g, **MOVES)


def kinds(bench, cause: FaultCause) -> list[EventKind]:
    return [each.kind for each in bench.far_end.faults(cause)]


@pytest.mark.parametrize("known_s", [0, 660], ids=["never heard here", "was trusted here"])
def test_a_fault_goes_with_the_wearable_from_gateway_to_gateway(bench, known_s):
    """Its new gateway has seen nothing of it yet, or something of long ago."""

    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            await at_home(bench, known_s, first=100)
            await neighbour(bench, 200, -50.0)
            await neighbour(bench, 20, -50.0, **HELD)
            assert kinds(bench, FaultCause.SENSOR_FAULT) == []
            there = asyncio.create_task(neighbour(bench, 80, None, **HELD))
            await at_home(bench, 100, first=2_000)
            (fault,) = bench.far_end.faults(FaultCause.SENSOR_FAULT)
            assert "gateway-b has found it so" in fault.detail
            await there
            await at_home(bench, 400, first=2_100)
            assert kinds(bench, FaultCause.SENSOR_FAULT) == [EventKind.FAULT]
            await at_home(bench, 220, first=2_500)
            both = [EventKind.FAULT, EventKind.FAULT_CLEARED]
            assert kinds(bench, FaultCause.SENSOR_FAULT) == both

    bench.clock.run(main())


def test_what_is_judged_here_is_not_unsettled_by_what_another_says(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await at_home(bench, 720, first=100)
            there = asyncio.create_task(neighbour(bench, 60, -90.0, **HELD))
            await at_home(bench, 60, first=820)
            await there
        assert kinds(bench, FaultCause.SENSOR_FAULT) == []

    bench.clock.run(main())


def test_one_that_says_it_is_worn_is_not_called_unworn_after_another(bench):
    async def main():
        async with bench.running(bench.gateway()):
            held = {"wearable-1": ["not_worn", "wear_unknown"]}
            there = asyncio.create_task(neighbour(bench, 30, None, distrusted=held))
            await bench.advertise(30, worn=True, heart_rate_bpm=None)
            await there
        assert kinds(bench, FaultCause.NOT_WORN) == []
        assert kinds(bench, FaultCause.WEAR_UNKNOWN) == [EventKind.FAULT]

    bench.clock.run(main())


def test_what_was_left_to_another_gateway_is_not_known_again_after_a_restart(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(1_215, worn=False, heart_rate_bpm=None)
            await neighbour(bench, 120, distrusted={"wearable-1": ["not_worn"]})
        async with bench.running(bench.gateway()):
            await neighbour(bench, 200)
        assert kinds(bench, FaultCause.NOT_WORN) == [EventKind.FAULT]

    bench.clock.run(main())


def test_a_restart_in_the_first_seconds_of_which_only_another_hears_ends_no_fault(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(1_215, worn=False, heart_rate_bpm=None)
        async with bench.running(bench.gateway()):
            await neighbour(bench, 30)
            await bench.advertise(60, first=1_400, worn=False, heart_rate_bpm=None)
        assert kinds(bench, FaultCause.NOT_WORN) == [EventKind.FAULT]

    bench.clock.run(main())
