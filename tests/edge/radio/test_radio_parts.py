"""What the radio is made of, on a virtual clock: batches of adverts, and calls with a limit."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.protocols import HeardAdvert, LinkLostError
from edge.radio.backlog import BATCH_S, Backlog
from edge.radio.calls import FAREWELL_S, Calls
from edge.waiting import WaitedTooLongError


def advert(number: int) -> HeardAdvert:
    return HeardAdvert("C0:DE:00:00:00:01", -60, {1: number.to_bytes(4, "little")}, {}, number)


def numbers(batches):
    return [each.received_ns for batch in batches for each in batch]


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(1, 20)), max_size=30))
def test_everything_is_handed_over_once_and_in_order_and_not_too_often(steps):
    clock = VirtualClock()

    async def main():
        backlog, got, at = Backlog(clock), [], []

        async def read():
            async for batch in backlog.batches():
                got.append(list(batch))
                at.append(clock.monotonic_ns() / 1e9)

        reading = asyncio.create_task(read())
        said = 0
        for wait_s, count in steps:
            await clock.sleep(wait_s)
            for _ in range(count):
                backlog.put(advert(said))
                said += 1
        backlog.close()
        await reading
        assert numbers(got) == list(range(said))
        assert all(batch for batch in got)
        assert all(later - earlier >= BATCH_S - 1e-6 for earlier, later in pairwise(at))
        assert backlog.dropped == 0

    clock.run(main())


def test_what_comes_after_a_rest_does_not_wait():
    clock = VirtualClock()

    async def main():
        backlog = Backlog(clock)
        batches = backlog.batches()
        first = asyncio.ensure_future(anext(batches))
        await clock.sleep(5)
        backlog.put(advert(1))
        await first
        assert clock.monotonic_ns() / 1e9 == pytest.approx(5, abs=1e-3)

    clock.run(main())


def test_who_is_not_read_loses_the_oldest_and_counts_them():
    clock = VirtualClock()

    async def main():
        backlog = Backlog(clock, limit=10)
        for number in range(25):
            backlog.put(advert(number))
        assert backlog.dropped == 15
        backlog.close()
        assert numbers([batch async for batch in backlog.batches()]) == list(range(15, 25))

    clock.run(main())


def test_a_call_that_takes_its_time_to_be_cancelled_holds_nobody():
    clock = VirtualClock()

    async def lets_go_slowly():
        try:
            await asyncio.Event().wait()
        finally:
            await clock.sleep(60)
            raise OSError("bluetoothd is gone")

    async def main():
        calls = Calls(clock)
        with pytest.raises(WaitedTooLongError, match="a call took longer than 3 s"):
            await calls.within(3, lets_go_slowly(), "a call")
        assert clock.monotonic_ns() / 1e9 == pytest.approx(3, abs=1e-3)
        assert calls.given_up == 1
        await calls.close()
        assert clock.monotonic_ns() / 1e9 == pytest.approx(3 + FAREWELL_S, abs=1e-3)
        await clock.sleep(60)
        assert calls.given_up == 0

    clock.run(main())


def test_a_lost_link_ends_its_call_at_once_with_the_reason():
    clock = VirtualClock()

    async def main():
        calls = Calls(clock)
        lost = asyncio.get_running_loop().create_future()
        calling = asyncio.ensure_future(calls.within(60, clock.sleep(60), "a call", lost))
        await clock.sleep(1)
        lost.set_result("out of reach")
        with pytest.raises(LinkLostError, match="out of reach"):
            await calling
        assert clock.monotonic_ns() / 1e9 == pytest.approx(1, abs=1e-3)
        await calls.close()
        assert calls.given_up == 0

    clock.run(main())


def test_what_a_call_returns_or_raises_comes_through():
    clock = VirtualClock()

    async def fails():
        await clock.sleep(1)
        raise ValueError("no")

    async def main():
        calls = Calls(clock)
        assert await calls.within(2, asyncio.sleep(1, "yes"), "a call") == "yes"
        with pytest.raises(ValueError, match="no"):
            await calls.within(2, fails(), "a call")
        assert calls.given_up == 0

    clock.run(main())
