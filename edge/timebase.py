"""Three clocks and how they meet.

*Monotonic* time (the gateway's) never goes back and orders everything inside.

*Grid* time is what detectors see: monotonic time plus a constant taken from the wall clock
once, at the start of the session. So a grid second is a wall-clock second as long as
nobody moves the wall clock, and when somebody does (a Pi without a battery boots in 1970,
NTP comes an hour later, an operator mistypes) detectors do not notice: no block is closed
twice, none is skipped, no age runs backwards.

*Wall* time is what leaves the gateway. It is monotonic time plus the wall clock's offset
*as last seen*, so an event that happened before a correction is told in corrected time.

A wearable has a clock of its own, seconds or milliseconds since its boot. `DeviceTime`
maps it to monotonic time by the quickest delivery seen: a packet cannot arrive before it
was made, so the least (arrival − device time) is the best estimate of the clocks' distance.
"""

from __future__ import annotations

from typing import Final

from contract.clock import Clock
from contract.packets import DEVICE_TIME_MODULUS_MS
from contract.units import NS_PER_MS, NS_PER_S, NS_PER_US, seconds_to_ns

CLOCK_JUMP_NS: Final = seconds_to_ns(2)
"""A wall clock that moved further than this against monotonic time was set, not slewed: NTP
slews at most 500 ppm (0.5 ms per second) and steps when it is more than 0.128 s wrong, so
2 s is beyond every ordinary correction. Below it the mapping follows without a fault."""

LATEST_WALL_US: Final = 4_102_444_799_000_000
"""End of 2099: `contract.wire` rejects later times, and an alarm must not be rejected because
a clock is broken."""

MAX_DRIFT: Final = 100e-6
"""Two crystals of ±50 ppm (the usual limit of a 32 kHz watch crystal over temperature) part
at most this fast, seconds per second. The running minimum rises with it, so that it does not
keep an old distance for ever: 4 s a day otherwise."""

MAX_DRIFT_OF_OTHERS: Final = 1e-3
"""The same for clocks of which nothing is promised: an oscillator without a crystal, once trimmed,
is good to about a part in a thousand. Followed at a tenth of it, its stream would come too late
after a quarter of an hour."""

IMPLAUSIBLE_NS: Final = seconds_to_ns(5)
"""A device time this far from the expected one is not delivery: adverts wait at most some
seconds in a busy radio, and packets are sent as they are made."""

REBASE_AFTER: Final = 3
"""Consecutive implausible times after which the device's clock is believed to have moved: one
garbled reading must not move it, a real step must not deafen us."""

SECOND_MODULUS_NS: Final = 65_536 * NS_PER_S
"""An advert counts its seconds in 16 bits: about 18 h."""

MAX_MILLISECOND_WRAPS: Final = 12
"""A packet counts its milliseconds in 32 bits, 49.7 days; a wearable that ran for 20 months
without a reboot is the longest we tell from a wrong time."""

SLEW: Final = 0.005
"""How fast the mapping used for a stream may move, seconds per second. A 50 Hz sample stays
within 0.1 ms of its place among its neighbours, and 100 ms of first error is gone in 20 s."""

SECOND_HYSTERESIS_NS: Final = seconds_to_ns(0.75)
"""A wearable's seconds keep the grid seconds they were given until the mapping is this far
from them: at half a second, jitter would put two summaries into one second and none into
the next."""


class SessionTime:
    """Monotonic, grid and wall time of one session of the gateway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_offset_ns = clock.now_ns() - clock.monotonic_ns()
        self._grid_offset_ns = self._wall_offset_ns

    def grid_ns(self, monotonic_ns: int) -> int:
        """Grid time of a monotonic time; never moves within a session."""
        return monotonic_ns + self._grid_offset_ns

    def monotonic_ns(self, grid_ns: int) -> int:
        """Monotonic time of a grid time."""
        return grid_ns - self._grid_offset_ns

    def grid_now_ns(self) -> int:
        """Grid time of this moment."""
        return self._clock.monotonic_ns() + self._grid_offset_ns

    def wall_us(self, monotonic_ns: int) -> int:
        """Wall time of a monotonic time in microseconds, by the wall clock as last seen.

        Kept within what the wire accepts: ten seconds before an impact in the first second
        of 1970 is told as 1970.
        """
        wall_us = (monotonic_ns + self._wall_offset_ns) // NS_PER_US
        return max(0, min(wall_us, LATEST_WALL_US))

    def check(self) -> int | None:
        """Look at the wall clock; returns by how many ns it jumped, None if it did not."""
        offset_ns = self._clock.now_ns() - self._clock.monotonic_ns()
        moved_ns = offset_ns - self._wall_offset_ns
        self._wall_offset_ns = offset_ns
        return moved_ns if abs(moved_ns) > CLOCK_JUMP_NS else None


class DeviceTime:
    """One wearable's clock against the gateway's monotonic one, from boot to boot.

    All times in nanoseconds; device times are unwrapped ones, since the device's boot (plus
    an unknown multiple of `SECOND_MODULUS_NS`, the same throughout).
    """

    __slots__ = (
        "_distance_ns",
        "_epoch",
        "_latest_arrival_ns",
        "_latest_device_ns",
        "_least_ns",
        "_max_drift",
        "_outliers",
        "_second_shift",
        "_used_at_ns",
        "_used_ns",
    )

    def __init__(self, max_drift: float = MAX_DRIFT) -> None:
        self._max_drift = max_drift
        self._distance_ns: int | None = None
        self._least_ns: int | None = None
        self._epoch = 0
        self._latest_arrival_ns = 0
        self._latest_device_ns = 0
        self._outliers = 0
        self._used_ns = 0
        self._used_at_ns = 0
        self._second_shift: int | None = None

    @property
    def known(self) -> bool:
        """Whether anything was observed since the boot."""
        return self._distance_ns is not None

    def device_ns(self, monotonic_ns: int) -> int:
        """The device's time at a monotonic time."""
        return monotonic_ns - (self._distance_ns or 0)

    def monotonic_ns(self, device_ns: int) -> int:
        """Best estimate of the monotonic time of a device time."""
        return device_ns + (self._distance_ns or 0)

    def unwrap_second(self, second: int, arrival_ns: int) -> int:
        """The device time that a 16-bit count of seconds stands for."""
        device_ns = second * NS_PER_S
        if self._distance_ns is None:
            return device_ns
        return _nearest(device_ns, self.device_ns(arrival_ns), SECOND_MODULUS_NS)

    def unwrap_millisecond(self, milliseconds: int, near_ns: int) -> int:
        """The device time that a packet's 32-bit count of milliseconds stands for.

        Parameters
        ----------
        milliseconds
            As in the packet.
        near_ns
            Device time at which it is expected. The 16-bit seconds of the adverts leave the
            device's age open by multiples of 18 h, the 32-bit milliseconds by 49.7 days; of
            the combinations the one nearest to the expectation is taken.
        """
        likeliest_ns = _nearest(milliseconds * NS_PER_MS, near_ns, SECOND_MODULUS_NS)
        if abs(likeliest_ns - near_ns) < IMPLAUSIBLE_NS:
            return likeliest_ns
        candidates = (
            _nearest(
                (milliseconds + wraps * DEVICE_TIME_MODULUS_MS) * NS_PER_MS,
                near_ns,
                SECOND_MODULUS_NS,
            )
            for wraps in range(MAX_MILLISECOND_WRAPS + 1)
        )
        return min(candidates, key=lambda device_ns: abs(device_ns - near_ns))

    def observe(self, device_ns: int, arrival_ns: int) -> bool:
        """Something made at `device_ns` arrived at `arrival_ns` (monotonic).

        Returns
        -------
        bool
            Whether that is plausible; if not, the time must not be used.
        """
        distance_ns = arrival_ns - device_ns
        if self._distance_ns is None:
            self._begin(distance_ns, arrival_ns)
        else:
            elapsed_ns = max(arrival_ns - self._latest_arrival_ns, 0)
            risen_ns = self._distance_ns + int(elapsed_ns * self._max_drift)
            if abs(distance_ns - risen_ns) > IMPLAUSIBLE_NS:
                self._outliers += 1
                if self._outliers < REBASE_AFTER:
                    return False
                self._begin(distance_ns, arrival_ns)
            else:
                self._distance_ns = min(risen_ns, distance_ns)
                if self._least_ns is None or distance_ns < self._least_ns:
                    self._least_ns = distance_ns
        self._outliers = 0
        self._latest_arrival_ns = max(arrival_ns, self._latest_arrival_ns)
        self._latest_device_ns = device_ns
        return True

    def take_least(self) -> tuple[int, int | None]:
        """The least (arrival − device time) since the last call, ns; and a number that changes when
        the device's clock was set or has jumped. None if nothing arrived.
        """
        least_ns, self._least_ns = self._least_ns, None
        return self._epoch, least_ns

    def _begin(self, distance_ns: int, arrival_ns: int) -> None:
        self._distance_ns = self._least_ns = distance_ns
        self._epoch += 1
        self._latest_arrival_ns = arrival_ns
        self._second_shift = None
        self._used_ns = distance_ns
        self._used_at_ns = arrival_ns

    def stream_distance_ns(self, arrival_ns: int) -> int:
        """What to add to a stream's device times: follows the estimate at `SLEW` at most."""
        assert self._distance_ns is not None
        reach_ns = int(max(arrival_ns - self._used_at_ns, 0) * SLEW)
        away_ns = self._distance_ns - self._used_ns
        self._used_ns += max(-reach_ns, min(away_ns, reach_ns))
        self._used_at_ns = max(arrival_ns, self._used_at_ns)
        return self._used_ns

    def grid_second(self, device_end_ns: int, grid_offset_ns: int) -> int:
        """The grid second that a summary ending at `device_end_ns` is put into.

        Parameters
        ----------
        grid_offset_ns
            Grid time minus monotonic time.
        """
        begin_ns = device_end_ns - NS_PER_S
        exact_ns = self.monotonic_ns(begin_ns) + grid_offset_ns
        if (
            self._second_shift is None
            or abs(begin_ns + self._second_shift * NS_PER_S - exact_ns) > SECOND_HYSTERESIS_NS
        ):
            self._second_shift = round((exact_ns - begin_ns) / NS_PER_S)
        return begin_ns // NS_PER_S + self._second_shift


def _nearest(value_ns: int, near_ns: int, modulus_ns: int) -> int:
    """The number congruent to `value_ns` that is nearest to `near_ns`."""
    return value_ns + (near_ns - value_ns + modulus_ns // 2) // modulus_ns * modulus_ns
