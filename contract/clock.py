"""Clocks: the only file that asks the system what time it is.

Everything takes a `Clock`. `SystemClock` is the home's; `ScaledClock` lets a replay run
ten times faster against real servers; `VirtualClock` comes with an asyncio event loop whose
time moves only when nothing is left to do, so that an hour of escalation runs in
milliseconds and gives the same result every time.
"""

from __future__ import annotations

import asyncio
import ctypes
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from contract.units import NS_PER_S, datetime_to_us, ns_to_us, seconds_to_ns, us_to_datetime

T = TypeVar("T")

DEFAULT_VIRTUAL_START: Final = datetime(2026, 1, 1, 20, 0, tzinfo=UTC)
"""Four in the morning in Hong Kong: the hour that the product exists for."""

_ADJTIMEX_ERROR: Final = 5
"""`TIME_ERROR` of adjtimex(2): the kernel says that its clock is not synchronised."""

_TIMEX_BYTES: Final = 512
"""Larger than `struct timex` on every platform we run on (208 bytes on 64-bit Linux)."""


class Clock(Protocol):
    """Wall time, monotonic time and sleep, as one thing that can be replaced.

    Wall time may jump and is for people; monotonic time never goes back and is for every
    interval, age and timeout.
    """

    def now_ns(self) -> int:
        """Wall time, nanoseconds since 1970 UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock's time."""
        ...

    def synced(self) -> bool:
        """Whether wall time is known to be right (NTP, or by decree in a test)."""
        ...


def now_us(clock: Clock) -> int:
    """Wall time of `clock` in the wire's unit, microseconds since 1970."""
    return ns_to_us(clock.now_ns())


def now_datetime(clock: Clock) -> datetime:
    """Wall time of `clock` as an aware UTC datetime."""
    return us_to_datetime(now_us(clock))


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` for at most `seconds` of `clock`'s time.

    asyncio's own timeouts run on the loop's time, which is the machine's under
    `ScaledClock`.

    Raises
    ------
    TimeoutError
        If it took longer; `work` is cancelled.
    """
    task = asyncio.ensure_future(work)
    limit = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, limit), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError(f"not done within {seconds} s")
    finally:
        for one in (task, limit):
            one.cancel()
        await asyncio.gather(task, limit, return_exceptions=True)


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def synced(self) -> bool:
        """Ask the kernel (adjtimex); a system that cannot say counts as unsynced."""
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            state = int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
        except (OSError, AttributeError):
            return False
        return 0 <= state < _ADJTIMEX_ERROR


class ScaledClock:
    """The machine's clock, running `rate` times faster from a shared starting point.

    Parameters
    ----------
    rate
        Seconds of this clock for each second of the machine; 10 is ten times faster.
    origin_us
        Wall time (microseconds since 1970) at which this clock and the machine's agree.
        Processes that must agree with each other pass the same one; default now.

    Raises
    ------
    ValueError
        If `rate` is not above zero.
    """

    def __init__(self, rate: float, origin_us: int | None = None) -> None:
        if not rate > 0:
            raise ValueError(f"a clock's rate must be above zero, not {rate}")
        self.rate = rate
        self._origin_ns = time.time_ns() if origin_us is None else origin_us * 1_000
        self._monotonic_origin_ns = time.monotonic_ns()
        self._wall_at_start_ns = self._scaled(time.time_ns() - self._origin_ns) + self._origin_ns

    def _scaled(self, nanoseconds: int) -> int:
        return round(nanoseconds * self.rate)

    def now_ns(self) -> int:
        return self._wall_at_start_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return self._scaled(time.monotonic_ns() - self._monotonic_origin_ns)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)

    def synced(self) -> bool:
        return True


class VirtualClock:
    """Time that moves only when the program has nothing left to do.

    `run` executes a coroutine on an event loop bound to this clock: every sleep and timeout
    in it, asyncio's own included, waits in virtual time, and work handed to an executor is
    done at once, in order. Two runs of the same program are the same run.

    Parameters
    ----------
    start
        Wall time at the beginning, aware.
    synced
        What `synced()` answers; may be set later.
    """

    def __init__(self, start: datetime = DEFAULT_VIRTUAL_START, *, synced: bool = True) -> None:
        self._wall_offset_ns = datetime_to_us(start) * 1_000
        self._elapsed_ns = 0
        self._synced = synced

    def now_ns(self) -> int:
        return self._wall_offset_ns + self._elapsed_ns

    def monotonic_ns(self) -> int:
        return self._elapsed_ns

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Wait for `seconds` of virtual time; only inside `run`."""
        return asyncio.sleep(seconds)

    def synced(self) -> bool:
        return self._synced

    def jump_wall(self, seconds: float) -> None:
        """Move wall time alone, as a wrong or corrected system clock does."""
        self._wall_offset_ns += seconds_to_ns(seconds)

    def set_synced(self, synced: bool) -> None:
        """Decide what `synced()` answers from now on."""
        self._synced = synced

    def pass_time(self, nanoseconds: int) -> None:
        """Move both clocks forward; for the event loop and for code without one.

        Raises
        ------
        ValueError
            If `nanoseconds` is negative.
        """
        if nanoseconds < 0:
            raise ValueError("monotonic time does not go back")
        self._elapsed_ns += nanoseconds

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` to its end in virtual time and return its result.

        Raises
        ------
        VirtualTimeDeadlockError
            If every task waits for something that no timer will bring.
        """
        with asyncio.Runner(loop_factory=lambda: _VirtualTimeLoop(self)) as runner:
            return runner.run(main)


class VirtualTimeDeadlockError(RuntimeError):
    """Every task waits and no timer is set: in virtual time nothing would ever happen."""


class _VirtualSelector(selectors.DefaultSelector):
    """Passes virtual time instead of blocking."""

    clock: VirtualClock

    def select(self, timeout: float | None = None) -> Any:
        if timeout == 0:
            # Somebody is ready to go on; signals and the like wait for a moment of rest.
            return []
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise VirtualTimeDeadlockError(
                "all tasks wait and no timer is set; real sockets and threads cannot be "
                "awaited on a virtual clock"
            )
        # Round up: a timer must have come when we return, or the loop would spin on it.
        self.clock.pass_time(max(1, seconds_to_ns(timeout) + 1))
        return ready


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with `VirtualClock` for time and no threads."""

    def __init__(self, clock: VirtualClock) -> None:
        selector = _VirtualSelector()
        selector.clock = clock
        self._virtual_clock = clock
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual_clock.monotonic_ns() / NS_PER_S

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed on
            future.set_exception(error)
        return future

    def default_exception_handler(self, context: Mapping[str, Any]) -> None:
        super().default_exception_handler(dict(context))
