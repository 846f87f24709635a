"""Small parts: lead and rank, sirens, links, waiting."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.events import EventKind, FaultCause
from contract.gatt import Operation
from contract.messages import MESSAGE_SCHEMA, Presence, VolumeHours
from contract.protocols import LinkLostError
from contract.units import NS_PER_S
from edge.lead import LIVE_NS, Heard, lead, rank
from edge.links import CONNECT_LIMIT_S, MAX_LINKS, LinkPool
from edge.siren_policy import volume_percent
from edge.waiting import Backoff, WaitedTooLongError, within


class Device(NamedTuple):
    device: str
    address: str


A = Device("wearable-a", "C0:DE:00:00:00:0A")

GATEWAYS = st.lists(
    st.builds(
        Heard,
        st.sampled_from(["a", "b", "c", "d"]),
        st.integers(0, 3),
        st.integers(0, 20 * NS_PER_S),
        st.dictionaries(st.just("w"), st.sampled_from([-90.0, -80.0, -60.0])),
    ),
    unique_by=lambda each: each.gateway,
)


@given(GATEWAYS, st.permutations(range(4)))
def test_the_lead_is_live_has_the_lowest_number_and_is_agreed_on(gateways, order):
    now_ns = 20 * NS_PER_S
    chosen = lead(gateways, now_ns)
    shuffled = [gateways[index] for index in order if index < len(gateways)]
    assert lead(shuffled, now_ns) == chosen
    live = [each for each in gateways if now_ns - each.at_ns <= LIVE_NS]
    if chosen is None:
        assert live == []
    else:
        (leader,) = [each for each in live if each.gateway == chosen]
        assert leader.priority == min(each.priority for each in live)


@given(GATEWAYS)
def test_ranks_are_a_strict_order(gateways):
    now_ns = 20 * NS_PER_S
    live = [each for each in gateways if now_ns - each.at_ns <= LIVE_NS]
    hearing = [each for each in live if "w" in each.rssi_dbm]
    ranks = sorted(rank(each.gateway, "w", gateways, now_ns) for each in hearing)
    assert ranks == list(range(len(hearing)))
    for each in live:
        if "w" not in each.rssi_dbm:
            assert rank(each.gateway, "w", gateways, now_ns) == len(hearing)


def test_presence_that_is_old_or_repeated_is_ignored(bench):
    def presence(session: str, sequence: int, rssi: float) -> Presence:
        return Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-b",
            session=session,
            sequence=sequence,
            at_us=0,
            heard={"wearable-1": rssi},
            priority=1,
        )

    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            await bench.advertise(2)
            (wearable,) = gateway.roster
            gateway.neighbours.hear(presence("one", 5, -50.0))
            assert gateway.neighbours.rank(wearable) == 1
            assert not gateway.neighbours.is_lead()
            assert not gateway.neighbours.reports(wearable)
            gateway.neighbours.hear(presence("one", 4, -90.0))
            assert gateway.neighbours.rank(wearable) == 1
            gateway.neighbours.hear(presence("two", 1, -90.0))
            assert gateway.neighbours.rank(wearable) == 0
            await bench.advertise(6, first=102)
            assert gateway.neighbours.is_lead(), "the other one has fallen silent"

    bench.clock.run(main())


@pytest.mark.parametrize(
    ("hour", "expected"), [(0, 30), (6, 30), (7, 90), (21, 90), (22, 30), (23, 30)]
)
def test_volume_by_hour(hour, expected):
    volumes = [
        VolumeHours(from_hour=22, volume_percent=30),
        VolumeHours(from_hour=7, volume_percent=90),
    ]
    assert volume_percent(volumes, hour) == expected
    assert volume_percent([], hour) == 100


def test_a_link_is_shared_and_let_go_by_its_last_user(bench):
    async def main():
        pool = LinkPool(bench.radio, bench.clock)
        async with pool.link(A) as one:
            async with pool.link(A) as other:
                assert one is other
            assert not bench.radio.links[0].lost
        assert bench.radio.links[0].lost
        assert bench.radio.connects == 1
        assert pool.count == 0

    bench.clock.run(main())


def test_a_dead_link_is_not_handed_on(bench):
    async def main():
        pool = LinkPool(bench.radio, bench.clock)

        async def use_a_link_that_dies() -> None:
            async with pool.link(A) as link:
                bench.radio.links[0].drop()
                await pool.write_on(link, Operation.VIBRATE, 1)

        with pytest.raises(LinkLostError):
            await use_a_link_that_dies()
        await pool.write(A, Operation.VIBRATE, 1)
        assert bench.radio.connects == 2

    bench.clock.run(main())


def test_links_are_counted_and_waited_for(bench):
    async def main():
        pool = LinkPool(bench.radio, bench.clock)

        async def use(address: str) -> None:
            async with pool.link(Device(address, address)):
                await bench.clock.sleep(10)

        tasks = [asyncio.create_task(use(str(number))) for number in range(MAX_LINKS + 2)]
        await bench.clock.sleep(5)
        assert pool.count == MAX_LINKS
        await bench.clock.sleep(10)
        assert pool.count == 2
        await asyncio.gather(*tasks)
        assert pool.count == 0

    bench.clock.run(main())


def test_a_connection_that_never_comes_is_given_up(bench):
    async def never(_address: str) -> None:
        await bench.clock.sleep(10_000)

    async def main():
        bench.radio.connect = never
        pool = LinkPool(bench.radio, bench.clock)
        with pytest.raises(LinkLostError, match="took longer"):
            await pool.write(A, Operation.VIBRATE, 1)
        assert bench.clock.monotonic_ns() / NS_PER_S == pytest.approx(CONNECT_LIMIT_S, abs=0.1)

    bench.clock.run(main())


def test_a_defect_of_the_radio_costs_a_link_and_not_the_gateway(bench, make_advert):
    def defect(_link, _operation, _arguments) -> None:
        raise IndexError("not in the ring")

    async def main():
        bench.radio.on_write = defect
        async with bench.running(bench.gateway()):
            await bench.advertise(60, candidate_counter=1, candidate_pending=True)
            await bench.advertise(1, first=200, button_counter=1, button_pending=True)
            await bench.clock.sleep(1)
            assert bench.far_end.of(EventKind.HELP_REQUESTED)
            assert bench.far_end.faults(FaultCause.WINDOW_NOT_FETCHED)

    bench.clock.run(main())


def test_within_cancels_what_takes_too_long():
    clock = VirtualClock()
    ended = []

    async def slow() -> None:
        try:
            await clock.sleep(10)
        finally:
            ended.append(clock.monotonic_ns())

    async def main():
        with pytest.raises(WaitedTooLongError, match="a test took longer than 2 s"):
            await within(clock, 2, slow(), "a test")
        assert ended
        assert await within(clock, 2, asyncio.sleep(1, "done"), "a test") == "done"

    clock.run(main())


def test_backoff_doubles_to_its_limit_and_begins_anew():
    backoff = Backoff(1.0, 5.0)
    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    for _ in range(2_000):
        assert backoff.next_s() == 5.0
    backoff.reset()
    assert backoff.next_s() == 1.0
