"""From a message to an event, a batch, or a dead letter with its reason.

Refused is only what cannot be what it claims to be, or could not be found again: an alarm
is not turned away for a matter of taste.
"""

from __future__ import annotations

from typing import Final

from contract import topics, wire
from contract.events import Event
from contract.messages import LAST_SEQUENCE
from contract.protocols import Message
from contract.telemetry import TelemetryBatch
from ingest.letters import DeadLetter

MAX_ID_LENGTH: Final = 64
"""A UUID has 36 characters; a receipt names up to a thousand ids and must stay short."""

LATEST_US: Final = 4_102_444_800_000_000
"""1 January 2100, as for events (`contract.wire`): later is a broken clock."""

MAX_AGE_MS: Final = LATEST_US // 1_000
"""Older than the time since 1970 cannot be."""

_CLOCKS: Final = frozenset({"synced", "unsynced"})


def read_message(message: Message, home: str) -> Event | TelemetryBatch | DeadLetter:
    """Decode and check one message that came for `home`."""
    try:
        topic = topics.parse(message.topic)
    except ValueError as error:
        return DeadLetter(message.topic, message.payload, str(error))
    if topic.home != home:
        return _refuse(message, f"home {topic.home!r} in the topic; this is {home!r}", topic)
    if topic.branch == topics.EVENT:
        return _read_event(message, topic)
    if topic.branch == topics.TELEMETRY:
        return _read_batch(message, topic)
    return _refuse(message, f"nothing is stored of {topic.branch!r}", topic)


def _read_event(message: Message, topic: topics.Topic) -> Event | DeadLetter:
    try:
        event = wire.decode(message.payload, Event)
    except wire.RejectedMessageError as error:
        return _refuse(message, error.reason, topic, message_id=error.message_id)
    except RecursionError:
        return _refuse(message, "nested too deeply to be read", topic)
    broken = (
        (event.home != topic.home, f"home {event.home!r} on the topic of {topic.home!r}"),
        (
            event.gateway != topic.sender,
            f"gateway {event.gateway!r} on the topic of {topic.sender!r}",
        ),
        (event.kind != topic.kind, f"kind {event.kind.value!r} on the topic of {topic.kind!r}"),
        (not event.id or len(event.id) > MAX_ID_LENGTH, "an id that is empty or too long"),
        (not 0 <= event.sequence <= LAST_SEQUENCE, f"a sequence of {event.sequence}"),
        (not _is_age(event.age_ms), f"an age of {event.age_ms} ms"),
    )
    reason = _first(broken)
    if reason is None:
        return event
    return _refuse(message, reason, topic, message_id=event.id[:MAX_ID_LENGTH] or None)


def _read_batch(message: Message, topic: topics.Topic) -> TelemetryBatch | DeadLetter:
    try:
        batch = wire.decode(message.payload, TelemetryBatch)
    except wire.RejectedMessageError as error:
        return _refuse(message, error.reason, topic, session=error.session, sequence=error.sequence)
    except RecursionError:
        return _refuse(message, "nested too deeply to be read", topic)
    broken = (
        (batch.home != topic.home, f"home {batch.home!r} on the topic of {topic.home!r}"),
        (
            batch.gateway != topic.sender,
            f"gateway {batch.gateway!r} on the topic of {topic.sender!r}",
        ),
        (not 1 <= batch.sequence < LAST_SEQUENCE, f"a sequence of {batch.sequence}"),
        (batch.clock not in _CLOCKS, "clock must be synced or unsynced"),
        (not _is_age(batch.age_ms), f"an age of {batch.age_ms} ms"),
        (not all(0 <= point.at_us < LATEST_US for point in batch.points), "an absurd time"),
        (not all(point.device for point in batch.points), "a point without its device"),
        (not all(0 <= point.at_us < LATEST_US for point in batch.sensors), "an absurd time"),
        (
            not all(point.device and point.zone for point in batch.sensors),
            "a sensor's point without its device or zone",
        ),
    )
    reason = _first(broken)
    if reason is None:
        return batch
    return _refuse(message, reason, topic, session=batch.session, sequence=batch.sequence)


def _is_age(age_ms: int | None) -> bool:
    return age_ms is None or 0 <= age_ms <= MAX_AGE_MS


def _first(broken: tuple[tuple[bool, str], ...]) -> str | None:
    return next((reason for is_broken, reason in broken if is_broken), None)


def _refuse(
    message: Message,
    reason: str,
    topic: topics.Topic,
    *,
    message_id: str | None = None,
    session: str | None = None,
    sequence: int | None = None,
) -> DeadLetter:
    if sequence is not None and not 1 <= sequence < LAST_SEQUENCE:
        sequence = None
    if message_id is not None and len(message_id) > MAX_ID_LENGTH:
        message_id = None
    return DeadLetter(
        message.topic,
        message.payload,
        reason,
        topic.home,
        topic.sender,
        message_id,
        session,
        sequence,
    )
