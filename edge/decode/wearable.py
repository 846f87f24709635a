"""Adverts of enrolled wearables; everything else is counted and not looked into."""

from __future__ import annotations

from typing import Final, NamedTuple

from contract.advert import (
    COMPANY_ID,
    MalformedPacketError,
    WearableAdvert,
    decode_manufacturer_data,
    is_own_layout,
)
from contract.events import FaultCause
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S, seconds_to_ns
from edge import counters
from edge.counters import Counts
from edge.wearables import Roster, Wearable

REJECTIONS_TOLERATED: Final = 10
"""Malformed adverts or packets of one wearable within `REJECTION_SPAN_NS` before a fault. A
radio's own checksum lets about one damaged packet in 16 million through, so ten in a
minute is a broken or foreign firmware, and not noise."""
REJECTION_SPAN_NS: Final = seconds_to_ns(60)

REBOOTS_TOLERATED: Final = 3
"""Boot changes of one wearable within `REBOOT_SPAN_NS` before it is taken for two that claim
one address and identity: a boot takes seconds, two devices alternate with each advert."""
REBOOT_SPAN_NS: Final = seconds_to_ns(60)

UNCHANGED_NS: Final = seconds_to_ns(30)
"""An advert holds the second that it tells of, so it changes with each. A controller goes on
sending the last one when the firmware behind it has hung or its sensor measures nothing, and so can
anybody: after half a minute that shows nobody who is watched over."""

_IDENTITY: Final = slice(1, 5)


class Anomaly(NamedTuple):
    """Something about a wearable that a person must know."""

    cause: FaultCause
    wearable: Wearable
    detail: str


class WearableDecoder:
    """`HeardAdvert` to `WearableAdvert`, for enrolled address and identity, or key, only.

    Parameters
    ----------
    roster
        The enrolled wearables; their state is kept up to date here.
    counts
        Where adverts and rejections are counted.
    """

    def __init__(self, roster: Roster, counts: Counts) -> None:
        self._roster = roster
        self._counts = counts
        self._anomalies: list[Anomaly] = []

    def anomalies(self) -> list[Anomaly]:
        """What has been noticed since the last call."""
        found, self._anomalies = self._anomalies, []
        return found

    def hear(self, heard: HeardAdvert) -> Wearable | None:
        """Take in one advert.

        Returns
        -------
        Wearable or None
            The wearable, if it says something new; its `advert` is then the new one.
        """
        wearable = self._roster.by_address.get(heard.address)
        if wearable is None:
            return self._elsewhere(heard)
        data = heard.manufacturer_data.get(COMPANY_ID)
        if data is None:
            self._reject(wearable, "an advert without wearable data", heard.received_ns)
            return None
        if data == wearable.raw:
            self._repeat(wearable, heard)
            return None
        if wearable.config.key is not None and is_own_layout(data):
            owner = self._roster.by_key(data)
            if owner is None:
                self._counts.rejected("an advert with nobody's identity from an enrolled address")
                return None
            wearable = owner
        return self._read(wearable, bytes(data), heard)

    def _read(self, wearable: Wearable, data: bytes, heard: HeardAdvert) -> Wearable | None:
        """An advert that its address, or its key, says is of `wearable`."""
        if data == wearable.raw:
            self._repeat(wearable, heard)
            return None
        try:
            advert = decode_manufacturer_data(data)
        except MalformedPacketError as error:
            self._reject(wearable, str(error), heard.received_ns)
            return None
        if wearable.config.key is None and advert.identity != wearable.config.identity:
            owner = self._roster.by_key(data)
            if owner is not None:
                return self._accept(owner, advert, data, heard)
            self._counts.rejected("an advert with another identity than the enrolled one")
            self._anomaly(
                FaultCause.ADDRESS_CONFLICT,
                wearable,
                f"another wearable (identity {advert.identity}) uses the address of "
                f"{wearable.device}; exchange one of them",
            )
            return None
        return self._accept(wearable, advert, data, heard)

    def reject_packet(self, wearable: Wearable, reason: str, arrival_ns: int) -> None:
        """Count a motion packet that cannot be; a fault when there are many."""
        self._reject(wearable, reason, arrival_ns)

    def _repeat(self, wearable: Wearable, heard: HeardAdvert) -> None:
        """The same bytes again: it is there, unless it says nothing else for too long."""
        if heard.received_ns - wearable.changed_ns > UNCHANGED_NS:
            self._reject(wearable, "an advert that has stopped changing", heard.received_ns)
            return
        self._counts[counters.ADVERTS_REPEATED] += 1
        wearable.hear(heard.rssi_dbm, heard.received_ns, heard.receiver)

    def _elsewhere(self, heard: HeardAdvert) -> Wearable | None:
        """From an address that is not enrolled. Only the identity field is looked at: for one that
        rolls, and for somebody enrolled under another address.
        """
        data = heard.manufacturer_data.get(COMPANY_ID)
        if data is None or not is_own_layout(data):
            self._counts[counters.ADVERTS_FOREIGN] += 1
            return None
        owner = self._roster.by_key(data)
        if owner is not None:
            return self._read(owner, bytes(data), heard)
        self._counts[counters.ADVERTS_FOREIGN] += 1
        claimed = self._roster.by_identity.get(int.from_bytes(data[_IDENTITY], "little"))
        if claimed is not None:
            self._counts.rejected("an advert with an enrolled identity from another address")
            self._anomaly(
                FaultCause.ADDRESS_CONFLICT,
                claimed,
                f"a wearable at {heard.address} claims the identity of {claimed.device}; "
                "one of them must be enrolled anew",
            )
        return None

    def _accept(
        self, wearable: Wearable, advert: WearableAdvert, data: bytes, heard: HeardAdvert
    ) -> Wearable | None:
        before = wearable.advert
        if before is not None and before.boot_counter != advert.boot_counter:
            self._booted(wearable, before.boot_counter, advert.boot_counter, heard.received_ns)
        wearable.hear(heard.rssi_dbm, heard.received_ns, heard.receiver)
        wearable.raw, wearable.changed_ns = data, heard.received_ns
        time = wearable.time
        device_ns = time.unwrap_second(advert.second, heard.received_ns)
        if not time.observe(device_ns, heard.received_ns):
            self._reject(wearable, "an advert of an implausible second", heard.received_ns)
            # Its second is of no use, but a press is a press.
            wearable.advert = advert
            wearable.summary_is_new = False
            return wearable
        second = device_ns // NS_PER_S
        if second < wearable.latest_second and not _rebased(second, wearable.latest_second):
            self._counts.rejected("an advert out of order")
            return None
        # Within a second the flags may change (a button is pressed): the newest counts.
        wearable.advert = advert
        wearable.summary_is_new = second != wearable.latest_second
        wearable.latest_second = second
        self._counts[counters.SUMMARIES_DECODED] += wearable.summary_is_new
        if heard.address != wearable.address and wearable.summary_is_new:
            self._moved(wearable, heard.address, advert.identity)
        return wearable

    def _moved(self, wearable: Wearable, address: str, identity: int) -> None:
        """It is heard from another address, as with each new identity. Whose advert was repeated
        by somebody is heard from both: it is listened to wherever it is, for an alarm may be in it.
        """
        if wearable.left == (address, identity):
            self._anomaly(
                FaultCause.ADDRESS_CONFLICT,
                wearable,
                f"{wearable.device} is heard from two addresses at once: two wearables have its "
                "key, or somebody repeats its adverts; give it a new key",
            )
        wearable.left = wearable.address, identity
        self._roster.follow(wearable, address)

    def _booted(self, wearable: Wearable, before: int, now: int, arrival_ns: int) -> None:
        wearable.restart()
        self._counts["wearable_boots"] += 1
        recent = [at for at in wearable.boot_changes_ns if arrival_ns - at < REBOOT_SPAN_NS]
        wearable.boot_changes_ns = [*recent, arrival_ns]
        if len(wearable.boot_changes_ns) > REBOOTS_TOLERATED:
            self._anomaly(
                FaultCause.ADDRESS_CONFLICT,
                wearable,
                f"{wearable.device} seems to be two wearables with one address and identity, or "
                "it restarts again and again; exchange it",
            )
            return
        self._anomaly(
            FaultCause.WEARABLE_REBOOTED,
            wearable,
            f"{wearable.device} restarted (boot {before} to {now}); a press or fall in the "
            "moment before is unknown: look at its wearer",
        )

    def _reject(self, wearable: Wearable, reason: str, arrival_ns: int) -> None:
        self._counts.rejected(reason)
        recent = [at for at in wearable.rejections_ns if arrival_ns - at < REJECTION_SPAN_NS]
        wearable.rejections_ns = [*recent, arrival_ns][-REJECTIONS_TOLERATED - 1 :]
        if len(wearable.rejections_ns) > REJECTIONS_TOLERATED:
            self._anomaly(
                FaultCause.PACKET_REJECTED,
                wearable,
                f"{wearable.device} sends data that cannot be read ({reason}); exchange it",
            )

    def _anomaly(self, cause: FaultCause, wearable: Wearable, detail: str) -> None:
        self._anomalies.append(Anomaly(cause, wearable, detail))


def _rebased(second: int, latest: int) -> bool:
    """Whether the device's clock itself was set back: `observe` has accepted a step."""
    return latest - second > 5
