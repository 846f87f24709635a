"""Links: who gets one, what hangs, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.gatt import WINDOW_UUID, Operation
from contract.protocols import LinkLostError
from contract.units import NS_PER_S
from edge.calls import CALL_LIMIT_S, CLOSE_LIMIT_S, asked, closing
from edge.links import CONNECT_LIMIT_S, MAX_LINKS, PATIENCE_S, LinkPool
from edge.slots import Need, Want
from edge.waiting import CANCEL_GRACE_S


class Device(NamedTuple):
    """What a link is made to."""

    device: str

    @property
    def address(self) -> str:
        return self.device


class Link:
    """A link whose calls take what a test says, and which may not end when it is told to."""

    def __init__(self, radio: Radio, address: str) -> None:
        self.radio = radio
        self.address = address

    async def write(self, characteristic: str, data: bytes) -> None:
        await self.radio.hang("write")

    async def read(self, characteristic: str) -> bytes:
        await self.radio.hang("read")
        return b"x"

    async def notifications(self, characteristic: str):
        await self.radio.hang("notifications")
        yield b"x", 0

    async def disconnect(self) -> None:
        await self.radio.hang("disconnect")
        self.radio.standing.discard(self)


class Radio:
    """Connects in `connect_s`, counts what stands, and hangs where a test says."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.connect_s = 0.2
        self.hangs: set[str] = set()
        self.order: list[str] = []
        self.standing: set[Link] = set()
        self.most = 0
        self.slots = MAX_LINKS

    async def hang(self, what: str) -> None:
        """As a call of D-Bus that is never answered, by code that does not let itself be cancelled
        either (more often than this test's end does it).
        """
        for _ in range(3):
            try:
                while what in self.hangs:
                    await self.clock.sleep(1_000)
            except asyncio.CancelledError:
                continue
            return

    async def connect(self, address: str) -> Link:
        self.order.append(address)
        await self.clock.sleep(self.connect_s)
        await self.hang("connect")
        link = Link(self, address)
        self.standing.add(link)
        self.most = max(self.most, len(self.standing))
        return link


@pytest.fixture
def radio(clock):
    return Radio(clock)


@pytest.fixture
def pool(clock, radio):
    return LinkPool(radio, clock)


def window(peak_g: float) -> Want:
    return Want(Need.WINDOW, peak_g)


def test_a_stream_that_waits_is_no_hindrance_to_a_window_of_the_same_wearable(clock, radio, pool):
    async def use(address: str, want: Want) -> None:
        async with pool.link(Device(address), want):
            await clock.sleep(10)

    async def main():
        radio.slots = 1
        first = asyncio.create_task(use("first", Want(Need.WRITE)))
        await clock.sleep(1)
        tasks = [asyncio.create_task(use("wanted", Want(Need.STREAM)))]
        await clock.sleep(1)
        tasks.append(asyncio.create_task(use("other", Want(Need.WRITE))))
        await clock.sleep(1)
        tasks.append(asyncio.create_task(use("wanted", window(3.0))))
        await asyncio.gather(first, *tasks)
        assert radio.order == ["first", "wanted", "other"], "both used one link"

    clock.run(main())


def test_who_waits_too_long_is_told(clock, radio, pool):
    async def main():
        radio.slots = 0
        with pytest.raises(LinkLostError, match="a free link took longer than 30 s"):
            await pool.write(Device("A"), Operation.VIBRATE, 1)
        assert clock.monotonic_ns() / NS_PER_S == pytest.approx(PATIENCE_S, abs=0.1)
        with pytest.raises(LinkLostError, match="a free link"):
            async with pool.link(Device("A"), window(3.0), patience_s=2):
                pass
        assert clock.monotonic_ns() / NS_PER_S == pytest.approx(PATIENCE_S + 2, abs=0.1)
        assert radio.order == []
        radio.slots = 1
        await pool.write(Device("A"), Operation.VIBRATE, 1)

    clock.run(main())


@pytest.mark.parametrize(
    ("what", "after_s"),
    [
        ("connect", CONNECT_LIMIT_S),
        ("write", CALL_LIMIT_S),
        ("read", CALL_LIMIT_S),
        ("disconnect", CLOSE_LIMIT_S),
    ],
)
def test_a_call_that_hangs_for_ever_costs_its_limit_and_no_slot(clock, radio, pool, what, after_s):
    async def use() -> None:
        async with pool.link(Device("A")) as link:
            await link.write("x", b"")
            await link.read("x")

    async def main():
        radio.slots = 1
        radio.hangs = {what}
        begun_ns = clock.monotonic_ns()
        if what == "disconnect":
            await use()
        else:
            with pytest.raises(LinkLostError, match="took longer"):
                await use()
        took_s = (clock.monotonic_ns() - begun_ns) / NS_PER_S
        assert took_s == pytest.approx(after_s + CANCEL_GRACE_S + 0.2, abs=0.3)
        radio.hangs = set()
        await pool.write(Device("B"), Operation.VIBRATE, 1)
        await pool.write(Device("A"), Operation.VIBRATE, 1)
        assert pool.free == 1

    clock.run(main())


def test_a_subscription_that_hangs_holds_nobody(clock, radio, pool):
    async def ask() -> None:
        pass

    async def main():
        radio.hangs = {"notifications"}
        reader = asyncio.create_task(read())
        await clock.sleep(5)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert clock.monotonic_ns() / NS_PER_S < 5 + 3 * CANCEL_GRACE_S
        radio.hangs = set()
        assert pool.free == MAX_LINKS

    async def read() -> None:
        async with pool.link(Device("A")) as link:
            packets = asked(clock, link, WINDOW_UUID, ask)
            async with closing(packets, "a window"):
                async for _ in packets:
                    pass

    clock.run(main())


def test_a_link_is_not_made_anew_while_it_is_being_let_go(clock, radio, pool):
    async def main():
        radio.hangs = {"disconnect"}
        first = asyncio.create_task(pool.write(Device("A"), Operation.VIBRATE, 1))
        await clock.sleep(1)
        second = asyncio.create_task(pool.write(Device("A"), Operation.VIBRATE, 1))
        await clock.sleep(1)
        assert radio.order == ["A"]
        await first
        radio.hangs = set()
        await second
        assert radio.order == ["A", "A"]

    clock.run(main())


def test_devices_that_are_gone_leave_nothing_behind(clock, radio, pool):
    async def main():
        for number in range(100):
            await pool.write(Device(f"device-{number}"), Operation.VIBRATE, 1)
        assert not pool._places

    clock.run(main())


USE = st.tuples(
    st.sampled_from("ABC"),
    st.sampled_from(
        [window(3.0), window(6.0), Want(Need.WRITE), Want(Need.REST), Want(Need.STREAM)]
    ),
    st.floats(0.0, 3.0),
    st.floats(0.0, 3.0),
    st.one_of(st.none(), st.floats(0.0, 6.0)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(USE, max_size=10), st.integers(2, 4))
def test_whoever_is_cancelled_when_links_and_slots_are_given_back(uses, slots):
    clock = VirtualClock()
    radio = Radio(clock)
    radio.slots = slots
    pool = LinkPool(radio, clock)

    async def use(address, want, at_s, holds_s):
        await clock.sleep(at_s)
        async with pool.link(Device(address), want) as link:
            await link.write("x", b"")
            await clock.sleep(holds_s)

    async def main():
        tasks = []
        for address, want, at_s, holds_s, cancelled_s in uses:
            task = asyncio.create_task(use(address, want, at_s, holds_s))
            tasks.append(task)
            if cancelled_s is not None:
                asyncio.get_running_loop().call_later(cancelled_s, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        await clock.sleep(60)
        assert radio.most <= slots
        assert not radio.standing, "every link was let go"
        assert (pool.count, pool.free, pool.waiting) == (0, slots, 0)
        assert not pool._places

    clock.run(main())
