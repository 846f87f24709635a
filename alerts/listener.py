"""Reading what comes from the broker: nothing is believed before it is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from contract import topics
from contract.events import Event
from contract.ids import check_gateway, check_identifier
from contract.messages import LAST_SEQUENCE, Presence, Status
from contract.whereabouts import Whereabouts
from contract.wire import RejectedMessageError, decode

MAX_ID_LENGTH: Final = 64
"""Ids are UUIDs of 36 characters; the records have room for this."""

MAX_TEXT_LENGTH: Final = 500
"""Keys, sessions and names of acknowledged things; none of ours is a tenth as long."""

MAX_LABEL_LENGTH: Final = 64
"""Of a bed; the records have room for this."""

MAX_BEDS: Final = 1_000
"""Of one gateway, which hears some sixty wearables."""

MAX_PLACES: Final = 1_000
"""Residents in one word of where everybody is: ten times a large home."""

MAX_AGE_MS: Final = 366 * 86_400 * 1_000
"""A year: no outbox is older, and a larger number is a broken counter."""

_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Rejection(NamedTuple):
    """A message that was refused."""

    gateway: str
    event: str | None
    """Its id, where it could be read: then a receipt can say so."""
    reason: str


def read_event(topic: topics.Topic, payload: bytes) -> Event:
    """Read an event and compare it with the topic it came on.

    Raises
    ------
    RejectedMessageError
        If it will never be accepted, with the reason and, where it could be read, the id.
    """
    event = decode(payload, Event)
    problem = _problem(topic, event)
    if problem is not None:
        known = event.id if _is_id(event.id) else None
        raise RejectedMessageError(problem, message_id=known)
    return event


def read_status(topic: topics.Topic, payload: bytes) -> Status:
    """Read a heartbeat. What the records could not hold would keep those of all others back.

    Raises
    ------
    RejectedMessageError
        If it will never be accepted, with the reason.
    """
    status = decode(payload, Status)
    if status.name != topic.sender:
        raise RejectedMessageError(f"a status of {status.name!r} from {topic.sender!r}")
    if not _is_text(status.session):
        raise RejectedMessageError("an unusable session")
    if len(status.beds) > MAX_BEDS or not all(map(_is_label, status.beds)):
        raise RejectedMessageError(
            f"unusable beds: at most {MAX_BEDS} of {MAX_LABEL_LENGTH} printable characters"
        )
    return status


def read_presence(payload: bytes) -> Presence:
    """Read which wearables a gateway hears.

    Raises
    ------
    RejectedMessageError
        If it will never be accepted, with the reason.
    """
    presence = decode(payload, Presence)
    if any(map(_is_no_identifier, presence.heard)):
        raise RejectedMessageError("an unusable identifier of a wearable")
    return presence


def read_whereabouts(topic: topics.Topic, payload: bytes) -> Whereabouts:
    """Read where a lead says that everybody is.

    Raises
    ------
    RejectedMessageError
        If it will never be accepted, with the reason.
    """
    told = decode(payload, Whereabouts)
    if told.gateway != topic.sender:
        raise RejectedMessageError(f"whereabouts of {told.gateway!r} from {topic.sender!r}")
    if not _is_text(told.session):
        raise RejectedMessageError("an unusable session")
    if len(told.places) > MAX_PLACES:
        raise RejectedMessageError(f"{len(told.places)} places; at most {MAX_PLACES} are read")
    for resident, place in told.places.items():
        if _is_no_identifier(resident) or _is_no_identifier(place.zone):
            raise RejectedMessageError("an unusable identifier of a resident or a zone")
        if not 0.0 <= place.probability <= 1.0:
            raise RejectedMessageError(f"a probability of {place.probability}")
    return told


def _problem(topic: topics.Topic, event: Event) -> str | None:
    return next((why for broken, why in _checks(topic, event) if broken), None)


def _checks(topic: topics.Topic, event: Event) -> Iterator[tuple[bool, str]]:
    for what, said, stands in (
        ("home", event.home, topic.home),
        ("gateway", event.gateway, topic.sender),
        ("kind", event.kind.value, topic.kind),
    ):
        yield said != stands, f"{what} {said!r} in the event, {stands!r} in its topic"
    yield not _is_id(event.id), f"an unusable id: 1 to {MAX_ID_LENGTH} printable characters"
    for what in ("resident", "device", "zone"):
        yield _is_no_identifier(getattr(event, what)), f"an unusable identifier in {what!r}"
    for what in ("session", "boot", "fall_id", "key", "incident"):
        yield (
            not _is_text(getattr(event, what)),
            f"{what!r} is longer than {MAX_TEXT_LENGTH} characters or unprintable",
        )
    yield (
        event.by is not None and not _is_id(event.by),
        f"an unusable name in 'by': 1 to {MAX_ID_LENGTH} printable characters",
    )
    yield (
        event.detail is not None and bool(_UNPRINTABLE.search(event.detail)),
        "unprintable characters in 'detail'",
    )
    yield not 0 <= event.sequence <= LAST_SEQUENCE, f"an impossible sequence {event.sequence}"
    yield (
        event.age_ms is not None and event.age_ms > MAX_AGE_MS,
        f"an absurd age of {event.age_ms} ms",
    )


def _is_no_identifier(value: str | None) -> bool:
    try:
        return value is not None and not check_identifier(value, "identifier")
    except ValueError:
        return True


def _is_id(value: str) -> bool:
    return 1 <= len(value) <= MAX_ID_LENGTH and _is_text(value)


def _is_label(value: str) -> bool:
    return len(value) <= MAX_LABEL_LENGTH and _is_text(value)


def _is_text(value: str | None) -> bool:
    return value is None or (len(value) <= MAX_TEXT_LENGTH and not _UNPRINTABLE.search(value))


def is_gateway(name: str) -> bool:
    """Whether a sender is a gateway and not one of the services."""
    try:
        check_gateway(name)
    except ValueError:
        return False
    return True
