"""The wearable's firmware: counters that wait for a gateway, the screen, the advert, links.

One class stands behind the simulated residents and behind replayed recordings alike.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from contract.advert import MalformedPacketError, WearableAdvert, encode_manufacturer_data
from contract.gatt import CONTROL_UUID, STREAM_UUID, WINDOW_UUID, Operation, decode_command
from contract.identity import parse_key, rolling_identity
from contract.screen import (
    GENERIC_PLACEMENT,
    SCREEN_IMPACT_G,
    SCREEN_REFRACTORY_S,
    WINDOW_BEFORE_S,
    known_placement,
)
from contract.units import NS_PER_MS, NS_PER_S
from firmware_sim.sensing import SampleRing, samples_after_impact, samples_before_impact
from firmware_sim.transfers import Due, StreamTransfer, Timebase, WindowTransfer

REBOOT_S: Final = 3
"""Seconds from a reset to the first measured sample: a bootloader and a sensor self-test."""

LINKS_PER_WEARABLE: Final = 2
"""So that the next gateway can take over before the last one has let go."""

CANDIDATES_KEPT: Final = 8
"""Of earlier candidates the impact's place is remembered as long as the ring may hold it; at
one per refractory time 20 could stand in it, of which the oldest are out of reach anyway."""

BATTERY_DAYS: Final = 7.0
"""On adverts alone."""
STREAMING_DRAIN: Final = 3.0
"""A held stream empties the battery so many times faster."""

_RESOLVABLE: Final = 0b01 << 46
_ADDRESS_KEPT: Final = (1 << 46) - 1
"""The two highest bits of an address say what kind of random address it is: resolvable private,
the kind that may change while the device runs."""

_AGE_UNKNOWN: Final = 255
_COUNTER_MASK: Final = 0xFF
_SECONDS_PER_DAY: Final = 86_400


class SecondSummary(NamedTuple):
    """One second of one wearable, as plain numbers."""

    measured: int
    """Samples; 0 means that the other values say nothing."""
    mean_g: tuple[float, float, float]
    min_g: float
    max_g: float
    deviation_g: float
    saturated: bool


class Central(Protocol):
    """What a wearable sees of the gateway at the other end of a link."""

    def subscribed(self, characteristic: str) -> bool:
        """Whether it wants notifications."""
        ...

    def notify(self, characteristic: str, payload: bytes, at_ns: int) -> None:
        """Send."""
        ...

    def drop(self, reason: str) -> None:
        """End the link from the device's side."""
        ...


class Vibration(NamedTuple):
    """A vibration that the wearer felt."""

    at_ns: int
    """Monotonic."""
    pattern: int


class Corruption:
    """Spoils a share of payloads: half of them cut short, half with one to eight bits wrong."""

    def __init__(self, share: float, seed: str) -> None:
        self._share = share
        self._random = random.Random(seed)  # noqa: S311
        self.spoilt = 0

    def apply(self, payload: bytes) -> bytes:
        """The payload, or a spoilt copy."""
        if self._random.random() >= self._share or not payload:
            return payload
        self.spoilt += 1
        if self._random.random() < 0.5:
            return payload[: self._random.randrange(len(payload))]
        spoilt = bytearray(payload)
        places = self._random.sample(range(8 * len(spoilt)), self._random.randint(1, 8))
        for place in places:
            spoilt[place // 8] ^= 1 << place % 8
        return bytes(spoilt)


class Wearable:
    """One device.

    Parameters
    ----------
    device, address, identity
        As enrolled.
    seed
        Decides its age since boot, its boot counter, battery and jitter.
    uptime_s
        Seconds since its boot at the beginning; default drawn.
    placement
        Where it is worn, which decides its screen.
    key
        Hexadecimal, 16 bytes: with it identity and address roll (`contract.identity`).

    Raises
    ------
    ValueError
        If `key` is none.
    """

    def __init__(
        self,
        device: str,
        address: str,
        identity: int,
        *,
        seed: str,
        uptime_s: int | None = None,
        placement: str = GENERIC_PLACEMENT,
        key: str | None = None,
    ) -> None:
        self.device = device
        self.address = address
        """Another one with each new identity, if that rolls."""
        self.identity = identity
        self._key = None if key is None else parse_key(key)
        self._addresses = random.Random(f"{seed}/{device}/addresses")  # noqa: S311
        self._screen_g = SCREEN_IMPACT_G[known_placement(placement)]
        self.heard = True
        """Whether any radio can hear it (shielded, out of the house, flat)."""
        self.worn: bool | None = True
        self.charging = False
        self.heart_rate_bpm: int | None = None
        self.corruption: Corruption | None = None
        self.vibrations: list[Vibration] = []
        self.time_set_us: int | None = None
        """Last wall time that a gateway told it."""
        self._random = random.Random(f"{seed}/{device}")  # noqa: S311
        drawn = self._random.randrange(_SECONDS_PER_DAY // 2)
        self._uptime_s = drawn if uptime_s is None else uptime_s
        self._boot_counter = self._random.randrange(256)
        self._battery = self._random.uniform(55.0, 100.0)
        self._clock_offset_ms = 0
        self._reboot_left_s = 0
        self.is_pressed = False
        """Whether the button was pressed since its last advert, which then is not waited for."""
        self._latest: tuple[SecondSummary, int] | None = None
        """The second that its advert tells of, and when that ended; none since a reset."""
        self._transfers: dict[Central, dict[str, StreamTransfer | WindowTransfer]] = {}
        self._candidates: dict[int, int] = {}
        """Counter to number of the impact's sample."""
        self._last_candidate: int | None = None
        """Number of its impact's sample; none since the ring was begun."""
        self._candidate_ns: int | None = None
        self._forget()
        self._ring: SampleRing | None = None
        self._row = 0
        self._timebase = Timebase(0, 0, 1.0)
        self._booted_ns = 0
        self._booted_sample = 0

    # -- power and memory ---------------------------------------------------------------

    def attach(self, ring: SampleRing, row: int, timebase: Timebase) -> None:
        """Use `ring`'s row from now on: at the start, and when the sensor's rate changes."""
        if self._ring is None:
            self._booted_ns = timebase.start_ns - self._uptime_s * NS_PER_S
        self._ring, self._row, self._timebase = ring, row, timebase
        self._booted_sample = timebase.first
        self._candidates.clear()
        self._last_candidate = None

    def _forget(self) -> None:
        self._candidates.clear()
        self._last_candidate = self._candidate_ns = None
        self._candidate_counter = self._button_counter = 0
        self._candidate_pending = self._button_pending = False
        self.is_pressed, self._latest = False, None
        self._candidate_peak_g = 0.0

    def reboot(self) -> None:
        """Reset: links break, counters restart, the ring is empty, `REBOOT_S` of silence."""
        self.drop_links("the wearable restarted")
        self._forget()
        self._reboot_left_s = REBOOT_S

    def _boot(self, end_ns: int) -> None:
        self._boot_counter = (self._boot_counter + 1) & _COUNTER_MASK
        self._booted_ns = end_ns
        self._clock_offset_ms = 0
        self._booted_sample = self._timebase.end(end_ns)

    @property
    def boot_counter(self) -> int:
        """As in the advert."""
        return self._boot_counter

    @property
    def running(self) -> bool:
        """Whether it is not in a reboot."""
        return self._reboot_left_s == 0

    def set_battery(self, percent: float) -> None:
        """Charge in percent, 0 to 100."""
        self._battery = min(100.0, max(0.0, percent))

    def skew_clock(self, milliseconds: int) -> None:
        """Let the device's clock jump, either way."""
        self._clock_offset_ms += milliseconds

    # -- sensing --------------------------------------------------------------------------

    def end_second(
        self, summary: SecondSummary, magnitude_g: NDArray[np.float32], first: int, end_ns: int
    ) -> bytes | None:
        """A second of measuring is over: screen it, and say what the advert now says.

        Parameters
        ----------
        summary
            The second, summed up.
        magnitude_g
            (n,) its low-passed |a|, for the screen.
        first
            Number of its first sample.
        end_ns
            When it ended, monotonic.

        Returns
        -------
        bytes or None
            The manufacturer data; none while the device restarts or measured nothing.
        """
        if self._reboot_left_s:
            self._reboot_left_s -= 1
            if self._reboot_left_s == 0:
                self._boot(end_ns)
            return None
        drain = STREAMING_DRAIN if self._transfers else 1.0
        self._battery = max(0.0, self._battery - drain * 100.0 / (BATTERY_DAYS * _SECONDS_PER_DAY))
        if summary.measured == 0:
            return None
        if summary.max_g > self._screen_g:
            self._screen(magnitude_g, first)
        self._latest = (summary, end_ns)
        self.is_pressed = False
        data = encode_manufacturer_data(self._advert(summary, end_ns))
        return data if self.corruption is None else self.corruption.apply(data)

    def _screen(self, magnitude_g: NDArray[np.float32], first: int) -> None:
        """Tier 0 of fall detection, as `contract.screen` says it."""
        refractory = round(SCREEN_REFRACTORY_S * self._timebase.rate_hz)
        for place in np.flatnonzero(magnitude_g > self._screen_g).tolist():
            peak, sample = float(magnitude_g[place]), first + place
            if self._last_candidate is None or sample - self._last_candidate >= refractory:
                self._raise_candidate(sample)
            self._candidate_peak_g = max(self._candidate_peak_g, peak)

    def _raise_candidate(self, sample: int) -> None:
        self._last_candidate = sample
        self._candidate_ns = self._timebase.at_ns(sample)
        self._candidate_counter = (self._candidate_counter + 1) & _COUNTER_MASK
        self._candidate_pending = True
        self._candidate_peak_g = 0.0
        self._candidates[self._candidate_counter] = sample
        if len(self._candidates) > CANDIDATES_KEPT:
            del self._candidates[next(iter(self._candidates))]

    def press_button(self) -> None:
        """The wearer asks for help."""
        if self.running:
            self._button_counter = (self._button_counter + 1) & _COUNTER_MASK
            self._button_pending = True
            self.is_pressed = self._latest is not None

    def advert_of_press(self) -> bytes:
        """The advert at once after a press: the second before, with the new counter."""
        assert self._latest is not None
        self.is_pressed = False
        data = encode_manufacturer_data(self._advert(*self._latest))
        return data if self.corruption is None else self.corruption.apply(data)

    def _advert(self, summary: SecondSummary, end_ns: int) -> WearableAdvert:
        age_s = _AGE_UNKNOWN
        if self._candidate_ns is not None:
            age_s = min(_AGE_UNKNOWN, (end_ns - self._candidate_ns) // NS_PER_S)
        second = self.device_time_ms(end_ns) // 1000
        if self._key is not None:
            self._roll(self._key, second)
        return WearableAdvert(
            identity=self.identity,
            boot_counter=self._boot_counter,
            second=second,
            mean_g=summary.mean_g,
            min_g=summary.min_g,
            max_g=summary.max_g,
            deviation_g=summary.deviation_g,
            battery_percent=round(self._battery),
            worn=self.worn,
            charging=self.charging,
            saturated=summary.saturated,
            candidate_counter=self._candidate_counter,
            candidate_pending=self._candidate_pending,
            candidate_age_s=age_s,
            candidate_peak_g=self._candidate_peak_g,
            button_counter=self._button_counter,
            button_pending=self._button_pending,
            heart_rate_bpm=self.heart_rate_bpm if self.worn else None,
        )

    def _roll(self, key: bytes, second: int) -> None:
        """Another identity when it is time, and with it another address."""
        identity = rolling_identity(key, self._boot_counter, second)
        if identity != self.identity:
            self.identity = identity
            drawn = self._addresses.getrandbits(48) & _ADDRESS_KEPT | _RESOLVABLE
            self.address = ":".join(f"{byte:02X}" for byte in drawn.to_bytes(6, "big"))

    # -- what a transfer reads ---------------------------------------------------------------

    @property
    def timebase(self) -> Timebase:
        return self._timebase

    def kept_from(self) -> int:
        assert self._ring is not None, "a wearable that measures has a ring"
        return max(self._booted_sample, self._ring.oldest)

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        assert self._ring is not None, "a wearable that measures has a ring"
        return self._ring.read(self._row, first, count)

    def device_time_ms(self, at_ns: int) -> int:
        # Rounded, so that a whole second is not missed by a nanosecond.
        return (at_ns - self._booted_ns + NS_PER_MS // 2) // NS_PER_MS + self._clock_offset_ms

    # -- links ----------------------------------------------------------------------------

    def accept(self, link: Central) -> bool:
        """Take a link, if one is free."""
        if not self.running or len(self._transfers) >= LINKS_PER_WEARABLE:
            return False
        self._transfers[link] = {}
        return True

    def release(self, link: Central) -> None:
        """The link is gone; so are its transfers."""
        self._transfers.pop(link, None)

    @property
    def linked(self) -> bool:
        """Whether any link stands."""
        return bool(self._transfers)

    def drop_links(self, reason: str) -> None:
        """Break every link."""
        for link in list(self._transfers):
            link.drop(reason)

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        """A gateway wrote.

        Raises
        ------
        MalformedPacketError
            If the characteristic cannot be written, or the command is none.
        """
        if characteristic != CONTROL_UUID:
            raise MalformedPacketError(f"characteristic {characteristic} cannot be written")
        operation, arguments = decode_command(data)
        match operation:
            case Operation.ACKNOWLEDGE_CANDIDATE:
                if arguments[0] == self._candidate_counter:
                    self._candidate_pending = False
            case Operation.ACKNOWLEDGE_BUTTON:
                if arguments[0] == self._button_counter:
                    self._button_pending = False
            case Operation.REQUEST_WINDOW:
                self._begin_window(link, arguments[0], arguments[1], now_ns)
            case Operation.START_STREAM:
                self._transfers[link][STREAM_UUID] = StreamTransfer(self, now_ns)
            case Operation.VIBRATE:
                self.vibrations.append(Vibration(now_ns, arguments[0]))
            case Operation.SET_TIME:
                self.time_set_us = arguments[0]
        self.pump(now_ns)

    def _begin_window(self, link: Central, candidate: int, packet: int, now_ns: int) -> None:
        impact = self._candidates.get(candidate)
        rate_hz = self._timebase.rate_hz
        if impact is None or impact + samples_after_impact(rate_hz) <= self.kept_from():
            log = structlog.get_logger(__name__)
            log.info("window_not_kept", device=self.device, candidate=candidate)
            link.drop(f"the wearable keeps no window of candidate {candidate}")
            return
        first = max(impact - samples_before_impact(rate_hz, WINDOW_BEFORE_S), self._booted_sample)
        self._transfers[link][WINDOW_UUID] = WindowTransfer(
            self,
            candidate=candidate,
            first=first,
            end=impact + samples_after_impact(rate_hz),
            packet=packet,
            now_ns=now_ns,
        )

    def pump(self, now_ns: int) -> None:
        """Send whatever is due on every link that listens; out of reach, it waits."""
        if not self.heard:
            return
        for link, transfers in list(self._transfers.items()):
            for characteristic, transfer in list(transfers.items()):
                if link.subscribed(characteristic):
                    for due in transfer.due(self, now_ns):
                        self._send(link, due, now_ns)
                    if transfer.finished:
                        del transfers[characteristic]

    def _send(self, link: Central, due: Due, now_ns: int) -> None:
        payload = due.payload if self.corruption is None else self.corruption.apply(due.payload)
        # A packet waits for the next connection event.
        wait_ns = self._random.randrange(12 * NS_PER_MS)
        link.notify(due.characteristic, payload, min(now_ns, due.at_ns + wait_ns))
