"""Faults that gateways and services say of themselves: how urgent each is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from contract.events import FaultCause
from wardlight.doctor.findings import URGENCY, Level


class Remedy(NamedTuple):
    """What a cause asks for."""

    level: Level
    """`Level.FAULT` where somebody is not watched, or would not be called, while it stands."""
    advice: str


_WATCH: Final = Level.FAULT
_KNOW: Final = Level.WARNING

REMEDIES: Final[Mapping[FaultCause, Remedy]] = MappingProxyType(
    {
        FaultCause.WEARABLE_NOT_HEARD: Remedy(
            _WATCH, "Look in on the resident, and see that the wearable is near and charged."
        ),
        FaultCause.WEARABLE_REBOOTED: Remedy(
            _KNOW, "Watch whether it happens again: a wearable that restarts has a weak battery."
        ),
        FaultCause.ADDRESS_CONFLICT: Remedy(
            _WATCH, "Find the two wearables that use one address, and enrol one of them anew."
        ),
        FaultCause.BATTERY_LOW: Remedy(_KNOW, "Charge the wearable at the next round."),
        FaultCause.NOT_WORN: Remedy(_KNOW, "Offer the wearable to the resident again."),
        FaultCause.WEAR_UNKNOWN: Remedy(_KNOW, "See at the next round whether it is worn."),
        FaultCause.SENSOR_FAULT: Remedy(_WATCH, "Change the wearable: its sensor is broken."),
        FaultCause.PACKET_REJECTED: Remedy(
            _KNOW, "Update the wearable's firmware: it sends what cannot be read."
        ),
        FaultCause.WINDOW_NOT_FETCHED: Remedy(
            _WATCH, "Look in on the resident: a possible fall could not be looked at."
        ),
        FaultCause.SAMPLES_LATE: Remedy(
            _KNOW, "Give the gateway fewer held links, or a faster machine."
        ),
        FaultCause.CLOCK_UNSYNCED: Remedy(
            _KNOW, "Give the machine NTP: its times are not to be believed, its alarms are."
        ),
        FaultCause.CLOCK_JUMPED: Remedy(_KNOW, "Give the machine NTP from its start on."),
        FaultCause.OUTBOX_UNWRITABLE: Remedy(
            _WATCH, "Make room on the gateway's disk or change its card: alarms are not durable."
        ),
        FaultCause.TELEMETRY_DROPPED: Remedy(
            _KNOW, "Make room on the gateway's disk, and mend what keeps ingest from answering."
        ),
        FaultCause.EVENT_REJECTED: Remedy(
            _WATCH, "Bring gateway and services to the same version: an event was not understood."
        ),
        FaultCause.PUBLISH_REFUSED: Remedy(
            _WATCH, "Let the service's user write its topics in the broker's access list."
        ),
        FaultCause.BROKER_LOST: Remedy(_WATCH, "Mend the network between it and the broker."),
        FaultCause.CERTIFICATE_REFUSED: Remedy(
            _WATCH, "Give the gateway a valid certificate: wardlight provision, wardlight enrol."
        ),
        FaultCause.CERTIFICATE_EXPIRING: Remedy(
            _KNOW, "Renew it now: wardlight provision rotate, and wardlight enrol on the gateway."
        ),
        FaultCause.GATEWAY_FLOODS: Remedy(
            _WATCH, "Look at the gateway; if it may be stolen, wardlight provision revoke NAME."
        ),
        FaultCause.GATEWAY_SILENT: Remedy(
            _WATCH, "Look in on the beds around it, and check its power and network."
        ),
        FaultCause.SERVICE_SILENT: Remedy(_WATCH, "Start the service, and read its log."),
        FaultCause.RADIO_SILENT: Remedy(
            _WATCH, "Look in on the beds around the gateway, and plug its radio in again."
        ),
        FaultCause.ADAPTER_SILENT: Remedy(
            _WATCH, "Plug the adapter in again, or restart the gateway's machine."
        ),
        FaultCause.RECEIVER_SILENT: Remedy(
            _WATCH, "Look in on the beds there, and check the receiver's power and network."
        ),
        FaultCause.RECEIVER_STUCK: Remedy(_WATCH, "Restart the receiver; exchange it if it stays."),
        FaultCause.DOOR_LEFT_OPEN: Remedy(
            _WATCH, "Close the door and watch it; if it is closed, look at its sensor's magnet."
        ),
        FaultCause.ROOMS_UNKNOWN: Remedy(
            _WATCH, "Watch the exits by eye until the gateways hear each other again."
        ),
        FaultCause.SENSOR_NOT_HEARD: Remedy(_WATCH, "Change its battery, or bring it into reach."),
        FaultCause.ADVERT_UNENCRYPTED: Remedy(
            _WATCH, "Give the sensor the key that it was enrolled with, or exchange it."
        ),
        FaultCause.ADVERT_REPLAYED: Remedy(
            _WATCH, "Look for a device that copies the sensor's adverts; enrol it with a new key."
        ),
        FaultCause.CLOCK_DRIFT: Remedy(_WATCH, "Exchange the wearable: its clock runs wrong."),
        FaultCause.WEARABLES_SWAPPED: Remedy(
            _WATCH, "Compare the names on both wearables with who wears them."
        ),
        FaultCause.SCAN_STARVED: Remedy(
            _WATCH, "Take a wearable off streaming, or add an adapter or a gateway."
        ),
        FaultCause.STORE_UNWRITABLE: Remedy(
            _WATCH, "Make room on the store's disk, or change it: nothing is kept meanwhile."
        ),
        FaultCause.CHANNEL_FAILED: Remedy(
            _WATCH, "Correct the contact, or mend the way to the service that delivers to it."
        ),
        FaultCause.ESCALATION_STALLED: Remedy(
            _WATCH, "Restart wardlight alerts and read its log: somebody was not called in time."
        ),
        FaultCause.SIREN_SILENT: Remedy(
            _WATCH, "Mend what the gateway sounds with; until then nobody hears it there."
        ),
        FaultCause.PAGE_UNREACHABLE: Remedy(
            _KNOW, "Give the gateway's own page an address and a port that are free."
        ),
        FaultCause.CONFIG_REJECTED: Remedy(
            _WATCH, "Bring gateway and alert service to the same version."
        ),
    }
)

_UNKNOWN: Final = Remedy(_WATCH, "Update Wardlight on this machine: it does not know this cause.")


def remedy_of(cause: str) -> Remedy:
    """What to do about a cause, by its name on the wire; unknown ones are urgent."""
    try:
        return REMEDIES[FaultCause(cause)]
    except ValueError:
        return _UNKNOWN


def level_of(cause: str) -> Level:
    """How urgent a cause is."""
    return remedy_of(cause).level


def most_urgent(causes: Iterable[str]) -> Remedy:
    """Of several, at least one."""
    return min((remedy_of(cause) for cause in causes), key=lambda each: URGENCY[each.level])
