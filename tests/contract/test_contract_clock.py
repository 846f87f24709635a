"""Clocks: the machine's, a faster one, and one whose time is only what the program makes it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import (
    DEFAULT_VIRTUAL_START,
    ScaledClock,
    SystemClock,
    VirtualClock,
    VirtualTimeDeadlockError,
    now_datetime,
    now_us,
    within,
)
from contract.units import NS_PER_S, datetime_to_us


def test_virtual_hours_pass_in_no_time() -> None:
    clock = VirtualClock()

    async def main() -> str:
        await clock.sleep(3_600)
        await asyncio.sleep(3_600)
        async with asyncio.timeout(10):
            await clock.sleep(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await clock.sleep(1_000)
        return "done"

    started = time.monotonic()
    assert clock.run(main()) == "done"
    assert time.monotonic() - started < 60, "the machine's time, with a generous limit"
    assert clock.monotonic_ns() == pytest.approx(7_206 * NS_PER_S, abs=1_000)
    assert now_datetime(clock) - DEFAULT_VIRTUAL_START == pytest.approx(
        timedelta(seconds=7_206), abs=timedelta(microseconds=2)
    )


@given(st.lists(st.floats(0, 1_000), min_size=1, max_size=20))
def test_two_virtual_runs_are_the_same_run(delays: list[float]) -> None:
    def record() -> list[tuple[int, int, int]]:
        clock = VirtualClock()
        log: list[tuple[int, int, int]] = []

        async def sleeper(number: int, delay: float) -> None:
            for turn in range(3):
                await clock.sleep(delay)
                log.append((number, turn, clock.now_ns()))

        async def main() -> None:
            await asyncio.gather(*(sleeper(*each) for each in enumerate(delays)))

        clock.run(main())
        return log

    first = record()
    assert first == record()
    assert [each[2] for each in first] == sorted(each[2] for each in first)


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=20))
def test_no_sleep_is_too_short_and_none_too_long(delays: list[float]) -> None:
    clock = VirtualClock()

    async def main() -> None:
        for delay in delays:
            before = clock.monotonic_ns()
            await clock.sleep(delay)
            slept = clock.monotonic_ns() - before
            assert -1_000 <= slept - delay * NS_PER_S <= 2_000

    clock.run(main())


def test_waiting_for_what_nobody_brings_is_an_error_not_a_hang() -> None:
    clock = VirtualClock()

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualTimeDeadlockError):
        clock.run(main())


def test_executor_work_is_done_at_once_in_order_and_errors_are_handed_on() -> None:
    clock = VirtualClock()
    done: list[int] = []

    def fail() -> None:
        raise LookupError("from the work")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting = [loop.run_in_executor(None, done.append, number) for number in range(5)]
        assert done == [0, 1, 2, 3, 4]
        await asyncio.gather(*waiting)
        assert await asyncio.to_thread(lambda: 42) == 42
        with pytest.raises(LookupError, match="from the work"):
            await loop.run_in_executor(None, fail)

    clock.run(main())


def test_wall_time_jumps_and_monotonic_time_does_not() -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))

    async def main() -> None:
        await clock.sleep(10)
        before = clock.monotonic_ns()
        clock.jump_wall(-3_600)
        assert clock.monotonic_ns() == before
        assert now_us(clock) == pytest.approx(
            datetime_to_us(datetime(2026, 2, 28, 23, 0, 10, tzinfo=UTC)), abs=2
        )
        await clock.sleep(5)
        assert clock.monotonic_ns() - before == pytest.approx(5 * NS_PER_S, abs=1_000)

    clock.run(main())


def test_a_virtual_clock_is_synced_as_told() -> None:
    assert VirtualClock().synced()
    clock = VirtualClock(synced=False)
    assert not clock.synced()
    clock.set_synced(True)
    assert clock.synced()


def test_virtual_time_does_not_go_back() -> None:
    clock = VirtualClock()
    clock.pass_time(5)
    assert clock.monotonic_ns() == 5
    with pytest.raises(ValueError, match="go back"):
        clock.pass_time(-1)
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(datetime(2026, 1, 1))  # noqa: DTZ001


def test_within_ends_in_time_or_says_so_and_leaves_nothing_behind() -> None:
    clock = VirtualClock()
    ended: list[str] = []

    async def slow() -> None:
        try:
            await clock.sleep(100)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> None:
        async def quick() -> int:
            await clock.sleep(1)
            return 7

        assert await within(clock, 5, quick()) == 7
        with pytest.raises(TimeoutError):
            await within(clock, 5, slow())
        assert ended == ["cancelled"]
        assert clock.monotonic_ns() == pytest.approx(6 * NS_PER_S, abs=1_000)
        assert [each for each in asyncio.all_tasks() if each is not asyncio.current_task()] == []

    clock.run(main())


def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    assert abs(clock.now_ns() - time.time_ns()) < NS_PER_S
    first = clock.monotonic_ns()
    asyncio.run(clock.sleep(0.01))
    assert clock.monotonic_ns() - first >= 0.009 * NS_PER_S
    assert clock.synced() in (True, False)


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_a_system_that_cannot_say_counts_as_unsynced(error: type[Exception]) -> None:
    import contract.clock

    def broken(*_: object, **__: object) -> Any:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contract.clock.ctypes, "CDLL", broken)
        assert not SystemClock().synced()


def test_a_scaled_clock_runs_faster_and_agrees_with_its_twin() -> None:
    origin_us = time.time_ns() // 1_000
    clock, twin = ScaledClock(100, origin_us), ScaledClock(100, origin_us)
    real_ns, scaled_ns, wall_ns = time.monotonic_ns(), clock.monotonic_ns(), clock.now_ns()
    asyncio.run(clock.sleep(2))
    real_ns = time.monotonic_ns() - real_ns
    assert clock.monotonic_ns() - scaled_ns >= 1.99 * NS_PER_S
    assert clock.now_ns() - wall_ns >= 1.99 * NS_PER_S
    assert (clock.monotonic_ns() - scaled_ns) / real_ns == pytest.approx(100, rel=0.2)
    # Made one after the other, yet they tell the same time (100 times a few milliseconds).
    assert abs(clock.now_ns() - twin.now_ns()) < NS_PER_S
    assert clock.synced()


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_clock_that_stands_or_runs_back_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        ScaledClock(rate)
