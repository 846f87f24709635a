"""Slots: in order of need, none lost and none doubled, whoever is cancelled when."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock import VirtualClock
from edge.links import MAX_LINKS, MAX_STREAMS
from edge.slots import Need, SlotQueue, Want, most_streams

WRITE, REST, STREAM = Want(Need.WRITE), Want(Need.REST), Want(Need.STREAM)


def window(peak_g: float) -> Want:
    return Want(Need.WINDOW, peak_g)


def test_who_needs_it_most_is_next():
    async def main():
        queue = SlotQueue(lambda: 2)
        first, _ = queue.enter(WRITE), queue.enter(WRITE)
        wants = [STREAM, WRITE, window(3.0), REST, window(7.5), window(3.0), WRITE]
        slots = [queue.enter(want) for want in wants]
        order = []
        held = first
        for _ in slots:
            queue.release(held)
            (held,) = [each for each in slots if each.is_granted and each not in order]
            order.append(held)
        assert [slots.index(each) for each in order] == [4, 2, 5, 1, 6, 3, 0]

    VirtualClock().run(main())


@pytest.mark.parametrize(("total", "streams"), [(7, 5), (14, 12), (3, 1), (2, 1), (1, 0), (0, 0)])
def test_streams_leave_room_for_windows(total, streams):
    async def main():
        queue = SlotQueue(lambda: total)
        slots = [queue.enter(STREAM) for _ in range(total + 3)]
        assert sum(each.is_granted for each in slots) == streams == most_streams(total)
        assert queue.room_for_streams() == 0
        others = [queue.enter(window(3.0)) for _ in range(total + 3)]
        assert sum(each.is_granted for each in others) == total - streams
        assert not any(each.is_granted for each in slots[streams:])

    VirtualClock().run(main())


def test_what_is_only_shown_gives_its_slot_to_a_window_and_to_nothing_else():
    async def main():
        queue = SlotQueue(lambda: 2)
        asked = []
        queue.enter(window(3.0), lambda: asked.append("window"))
        rest = queue.enter(REST, lambda: asked.append("rest"))
        queue.enter(WRITE)
        queue.enter(STREAM)
        assert asked == []
        waiting = queue.enter(window(2.0))
        assert asked == ["rest"]
        queue.release(rest)
        assert waiting.is_granted

    VirtualClock().run(main())


def test_an_adapter_that_comes_back_is_used():
    async def main():
        total = 1
        queue = SlotQueue(lambda: total)
        queue.enter(WRITE)
        slot = queue.enter(WRITE)
        assert not slot.is_granted
        total = 2
        queue.look()
        assert slot.is_granted

    VirtualClock().run(main())


def test_one_adapter_has_the_same_limits_as_ever():
    assert (MAX_LINKS, MAX_STREAMS) == (7, 5)


def test_who_was_cancelled_in_the_moment_of_the_grant_is_passed_over():
    """Both happen before the cancelled one has had a turn to leave the queue."""

    async def main():
        queue = SlotQueue(lambda: 1)
        first, second, third = (queue.enter(window(g)) for g in (9.0, 8.0, 7.0))
        waits = asyncio.ensure_future(second.granted())
        await asyncio.sleep(0)
        waits.cancel()
        queue.release(first)
        assert third.is_granted
        queue.release(second)
        queue.release(third)
        assert (queue.held, queue.waiting) == (0, 0)

    VirtualClock().run(main())


WANTS = st.one_of(st.floats(1.0, 16.0).map(window), st.sampled_from([WRITE, REST, STREAM]))
STEP = st.tuples(
    WANTS,
    st.floats(0.0, 5.0),  # when it comes
    st.floats(0.0, 5.0),  # how long it holds
    st.one_of(st.none(), st.floats(0.0, 10.0)),  # when it is cancelled
    st.one_of(st.none(), WANTS),  # what it is hurried to
)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEP, max_size=14), st.integers(2, 5))
def test_no_slot_is_lost_or_doubled(steps, total):
    clock = VirtualClock()

    async def main():
        queue = SlotQueue(lambda: total)
        using = 0

        async def use(want, at_s, holds_s, hurried):
            nonlocal using
            await clock.sleep(at_s)
            slot = queue.enter(want)
            if hurried is not None:
                queue.hurry(slot, hurried)
            try:
                await slot.granted()
                using += 1
                assert using <= total
                try:
                    await clock.sleep(holds_s)
                finally:
                    using -= 1
            finally:
                queue.release(slot)
                queue.release(slot)  # a second time does nothing

        async def cancel(task, at_s):
            await clock.sleep(at_s)
            task.cancel()

        tasks, cancels = [], []
        for want, at_s, holds_s, cancelled_s, hurried in steps:
            task = asyncio.create_task(use(want, at_s, holds_s, hurried))
            tasks.append(task)
            if cancelled_s is not None:
                cancels.append(asyncio.create_task(cancel(task, cancelled_s)))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*cancels)
        assert all(each is None or isinstance(each, asyncio.CancelledError) for each in results)
        assert (queue.held, queue.waiting) == (0, 0)
        # All of them can be had again.
        assert sum(queue.enter(WRITE).is_granted for _ in range(total + 1)) == total

    clock.run(main())
