"""One adapter's scan: adverts from bleak into the backlog, and who was heard how well."""

from __future__ import annotations

from typing import Any, Final, Literal

import structlog
from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from contract.advert import COMPANY_ID
from contract.clock import Clock
from contract.protocols import HeardAdvert
from contract.units import seconds_to_ns
from edge.radio.backlog import Backlog
from edge.radio.bluez_library import BLEAK_ERRORS, reason_of
from edge.radio.calls import Calls
from edge.waiting import WaitedTooLongError
from edge.wearables import HEARD_NS, NEVER, RSSI_SMOOTHING

_log = structlog.get_logger(__name__)

ScanMode = Literal["auto", "passive", "active"]

START_LIMIT_S: Final = 10.0
"""BlueZ answers within a second, or hangs (``InProgress``, FIELD). While it hangs, bleak keeps
every other adapter and every new link waiting, so not longer."""

STOP_LIMIT_S: Final = 5.0

TRIAL_S: Final = 30.0
"""How long a passive scan has to prove itself. A wearable advertises each second: in half a minute
a scan that hears at all has heard each many times."""

TRIAL_REPEATS: Final = 2
"""Adverts for each device heard. Where kernel or controller filters duplicates, a passive scan
hears everyone once and no more (bluez #647, bleak #235): that is no liveness."""

SIGHTING_NS: Final = seconds_to_ns(60)
"""So long a device can be connected after it was last heard; BlueZ forgets it after 30 s to
3 min. Older ones are forgotten here as well: a street's passers-by change their addresses every
quarter of an hour."""

NO_RSSI: Final = -127
"""bleak's word for none: what changed was no advert, but something that BlueZ took away."""

PATTERNS: Final = (
    *(
        OrPattern(0, AdvertisementDataType.FLAGS, bytes((flags,)))
        for flags in (0x02, 0x04, 0x05, 0x06, 0x18, 0x1A)
    ),
    OrPattern(
        0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, COMPANY_ID.to_bytes(2, "little")
    ),
    # BTHome (0xFCD2) sensors, of which some send no flags.
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc"),
)
"""BlueZ scans passively for patterns alone, at most sixteen; it has none for everything. Nearly
every connectable device sends one of these values of flags (habluetooth collected them)."""


class ScanFailedError(RuntimeError):
    """The scan could not be begun; the reason is the message."""


class Sighting:
    """When and how well an adapter heard a device; kept up to date in its place, for it is done
    with each advert of anybody.
    """

    __slots__ = ("device", "heard_ns", "rssi_dbm")

    def __init__(self, rssi_dbm: float, heard_ns: int, device: BLEDevice) -> None:
        self.rssi_dbm = rssi_dbm
        """Smoothed over the adverts of the last seconds."""
        self.heard_ns = heard_ns
        self.device = device
        """What bleak connects it by."""


class Scan:
    """The scan of one adapter; begun and ended any number of times.

    Parameters
    ----------
    adapter
        Its name in BlueZ, such as ``hci0``.
    mode
        ``auto``: passively if BlueZ can and it proves itself, else actively.
    """

    def __init__(
        self, adapter: str, clock: Clock, calls: Calls, backlog: Backlog, mode: ScanMode
    ) -> None:
        self._adapter = adapter
        self._clock = clock
        self._calls = calls
        self._backlog = backlog
        self._mode = mode
        self._scanner: BleakScanner | None = None
        self._passive_failed = False
        self._states: dict[str, tuple[object, ...]] = {}
        """Of devices that are connected: what BlueZ said of them last beside their adverts."""
        self._heard_before = 0
        self._begun_ns = 0
        self.is_passive = False
        self.heard = 0
        """Adverts since the start."""
        self.heard_ns = NEVER
        """When the latest came, monotonic."""
        self.sightings: dict[str, Sighting] = {}
        """By address."""

    async def begin(self) -> None:
        """Scan from now on.

        Raises
        ------
        ScanFailedError
            If BlueZ refuses, or does not answer.
        """
        self._heard_before, self._begun_ns = self.heard, self._clock.monotonic_ns()
        if self._mode != "active" and not self._passive_failed:
            try:
                await self._start(passive=True)
            except ScanFailedError as error:
                if self._mode == "passive":
                    raise
                self._fall_back(str(error))
            else:
                return
        await self._start(passive=False)

    async def end(self) -> None:
        """Scan no more; never raises."""
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        try:
            await self._calls.within(STOP_LIMIT_S, scanner.stop(), "ending the scan")
        except (WaitedTooLongError, *BLEAK_ERRORS) as error:
            # The adapter is gone, off, or hangs: what follows finds out.
            _log.info("scan_not_ended", adapter=self._adapter, reason=reason_of(error))

    def is_on_trial(self) -> bool:
        """Whether a passive scan has yet to prove itself."""
        if self._mode != "auto" or not self.is_passive:
            return False
        heard = self.heard - self._heard_before
        devices = sum(seen.heard_ns >= self._begun_ns for seen in self.sightings.values())
        return heard == 0 or heard < TRIAL_REPEATS * devices

    def give_up_passive(self) -> None:
        """It has not proved itself: from the next `begin` on the scan is active."""
        self._fall_back(f"it heard no device twice in {TRIAL_S:g} s")

    def forget_old(self, now_ns: int) -> None:
        """Forget whom it has not heard for long."""
        since_ns = now_ns - SIGHTING_NS
        gone = [each for each, seen in self.sightings.items() if seen.heard_ns < since_ns]
        for address in gone:
            del self.sightings[address]
            self._states.pop(address, None)

    def _fall_back(self, reason: str) -> None:
        self._passive_failed = True
        _log.warning(
            "passive_scan_given_up", adapter=self._adapter, reason=reason, instead="active scan"
        )

    async def _start(self, *, passive: bool) -> None:
        bluez: BlueZScannerArgs = {"adapter": self._adapter}
        if passive:
            bluez["or_patterns"] = list(PATTERNS)
        else:
            # Otherwise BlueZ keeps an advert to itself that says what the one before said, and
            # a wearable on a table would be missing.
            bluez["filters"] = {"DuplicateData": True}
        try:
            scanner = BleakScanner(
                self._detected, scanning_mode="passive" if passive else "active", bluez=bluez
            )
            await self._calls.within(START_LIMIT_S, scanner.start(), "beginning the scan")
        except (WaitedTooLongError, *BLEAK_ERRORS) as error:
            raise ScanFailedError(reason_of(error)) from error
        self._scanner = scanner
        self.is_passive = passive
        _log.info("scan_begun", adapter=self._adapter, passive=passive)

    def _detected(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        """Called by bleak for each advert, and when anything else of a device changes."""
        rssi = advertisement.rssi
        address = device.address
        if rssi == NO_RSSI:
            return
        properties: dict[str, Any] = advertisement.platform_data[1]
        if (address in self._states or properties.get("Connected")) and self._is_state_change(
            address, properties
        ):
            return
        now_ns = self._clock.monotonic_ns()
        self.heard += 1
        self.heard_ns = now_ns
        seen = self.sightings.get(address)
        if seen is None:
            self.sightings[address] = Sighting(float(rssi), now_ns, device)
        else:
            if now_ns - seen.heard_ns > HEARD_NS:
                seen.rssi_dbm = float(rssi)
            else:
                seen.rssi_dbm += RSSI_SMOOTHING * (rssi - seen.rssi_dbm)
            seen.heard_ns, seen.device = now_ns, device
        self._backlog.put(
            HeardAdvert(
                address,
                rssi,
                advertisement.manufacturer_data,
                advertisement.service_data,
                now_ns,
                advertisement.local_name or "",
                advertisement.service_uuids,
            )
        )

    def _is_state_change(self, address: str, properties: dict[str, Any]) -> bool:
        """Whether a device that is or was connected tells of its link: no advert was heard."""
        state = (
            properties.get("Connected"),
            properties.get("ServicesResolved"),
            properties.get("Paired"),
            len(properties.get("UUIDs", ())),
        )
        before = self._states.get(address)
        if properties.get("Connected"):
            self._states[address] = state
        else:
            self._states.pop(address, None)
        return before != state
