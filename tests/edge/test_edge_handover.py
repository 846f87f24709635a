"""Faults of wear and sensors between several gateways, and beside a charger."""

from __future__ import annotations

import asyncio

import pytest

from contract import topics, wire
from contract.events import EventKind, FaultCause
from contract.messages import MESSAGE_SCHEMA, Presence
from edge.pipeline import ROWS_AT_A_TIME
from messaging import LocalBus


async def neighbour(bench, seconds: int, **faults):
    """Another gateway that hears the wearable, as far as presence tells."""
    for sequence in range(seconds):
        presence = Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-b",
            session=f"b-{bench.clock.monotonic_ns()}",
            sequence=sequence + 1,
            at_us=0,
            heard={"wearable-1": -90.0},
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
