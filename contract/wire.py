"""Encoding and decoding: JSON with a schema version that is looked at first.

Unknown fields are ignored (a newer sender may say more). An unknown version, a missing
field, a value of the wrong type or a payload that is too long is rejected with a reason
that goes back to the sender; nothing is dropped in silence.
"""

from __future__ import annotations

import zlib
from typing import Final, TypeVar

import msgspec

from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.messages import (
    MESSAGE_SCHEMA,
    AlertState,
    Command,
    Discovered,
    GatewayConfig,
    Presence,
    Receipt,
    SirenMessage,
    Status,
)
from contract.telemetry import TELEMETRY_SCHEMA, TelemetryBatch
from contract.whereabouts import Whereabouts

T = TypeVar("T", bound=msgspec.Struct)

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""An event with its waveform is 3 to 5 kB, a minute of telemetry for sixty residents about
1 MB before batching splits it; a quarter of a megabyte bounds what a stranger can make us
parse."""

COMPRESS_FROM_BYTES: Final = 1_024
"""Shorter payloads gain less than a packet's header by it. A batch of telemetry, full of figures
that resemble each other, becomes a fifth of itself."""

COMPRESSION_LEVEL: Final = 6
"""zlib's own default: 9 takes twice the time for a hundredth less."""

_COMPRESSED: Final = 0x78
"""First byte of a zlib stream (RFC 1950, window of 32 kB); no JSON begins with an x."""

SCHEMA_VERSIONS: Final[dict[type[msgspec.Struct], int]] = {
    Event: EVENT_SCHEMA,
    TelemetryBatch: TELEMETRY_SCHEMA,
    Receipt: MESSAGE_SCHEMA,
    Status: MESSAGE_SCHEMA,
    AlertState: MESSAGE_SCHEMA,
    GatewayConfig: MESSAGE_SCHEMA,
    Command: MESSAGE_SCHEMA,
    Discovered: MESSAGE_SCHEMA,
    Presence: MESSAGE_SCHEMA,
    Whereabouts: MESSAGE_SCHEMA,
    SirenMessage: MESSAGE_SCHEMA,
}

_ENCODER = msgspec.json.Encoder()
_DECODERS: Final = {kind: msgspec.json.Decoder(kind) for kind in SCHEMA_VERSIONS}


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on a stranger's bytes; the last on JSON nested thousands deep."""


class _Peek(msgspec.Struct):
    schema: int
    id: str | None = None
    session: str | None = None
    sequence: int | None = None


_PEEK = msgspec.json.Decoder(_Peek)


class RejectedMessageError(ValueError):
    """A payload that will never be accepted.

    Attributes
    ----------
    reason
        One sentence, fit for a receipt.
    message_id
        The event's id, where it could be read: a receipt needs it.
    session, sequence
        The same for a telemetry batch.
    """

    def __init__(
        self,
        reason: str,
        *,
        message_id: str | None = None,
        session: str | None = None,
        sequence: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message_id = message_id
        self.session = session
        self.sequence = sequence


def encode(message: msgspec.Struct) -> bytes:
    """The JSON of a contract struct, UTF-8, keys in the order of the fields."""
    return _ENCODER.encode(message)


def compress(payload: bytes) -> bytes:
    """A payload as it travels when it is long: a zlib stream (RFC 1950); a short one as it is.

    For telemetry alone. Everything else is short, and plain for whoever looks at the wire.
    """
    if len(payload) < COMPRESS_FROM_BYTES:
        return payload
    return zlib.compress(payload, COMPRESSION_LEVEL)


def decompress(payload: bytes) -> bytes:
    """The JSON of a payload, whether it was compressed or not.

    Raises
    ------
    RejectedMessageError
        If it is damaged, or longer than `MAX_PAYLOAD_BYTES` before or after.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedMessageError(
            f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are accepted"
        )
    if not payload or payload[0] != _COMPRESSED:
        return payload
    stream = zlib.decompressobj()
    try:
        # A stranger's kilobyte may become a gigabyte.
        expanded = stream.decompress(payload, MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise RejectedMessageError(f"not what was compressed: {error}") from error
    if stream.unconsumed_tail:
        raise RejectedMessageError(f"more than {MAX_PAYLOAD_BYTES} bytes when decompressed")
    if not stream.eof:
        raise RejectedMessageError("a compressed payload that ends too soon")
    return expanded


def decode(payload: bytes, kind: type[T]) -> T:
    """Read a payload as `kind`, version first.

    Raises
    ------
    RejectedMessageError
        If the payload is too long, damaged, no JSON, of an unknown version, or not of this shape.
    """
    payload = decompress(payload)
    try:
        peek = _PEEK.decode(payload)
    except _UNREADABLE as error:
        raise RejectedMessageError(f"not a message with a schema version: {error}") from error
    where = {"message_id": peek.id, "session": peek.session, "sequence": peek.sequence}
    known = SCHEMA_VERSIONS[kind]
    if peek.schema != known:
        raise RejectedMessageError(
            f"schema version {peek.schema} is unknown; this reader knows {known}",
            **where,  # type: ignore[arg-type]
        )
    try:
        message = _DECODERS[kind].decode(payload)
    except _UNREADABLE as error:
        raise RejectedMessageError(str(error), **where) from error  # type: ignore[arg-type]
    assert isinstance(message, kind)
    if isinstance(message, Event):
        _check_event(message)
    return message


def _check_event(event: Event) -> None:
    """What types cannot say: rules between fields.

    Raises
    ------
    RejectedMessageError
        With the event's id.
    """
    is_fault = event.kind in (EventKind.FAULT, EventKind.FAULT_CLEARED)
    broken = (
        (is_fault and event.cause is None, "a fault without its cause"),
        (
            event.kind is EventKind.ACKNOWLEDGED and event.incident is None,
            "an acknowledgement that names no incident",
        ),
        (event.clock not in ("synced", "unsynced"), "clock must be synced or unsynced"),
        (not _is_time(event.at_us) or not _is_time(event.emitted_at_us), "an absurd time"),
        (event.age_ms is not None and event.age_ms < 0, "a negative age"),
    )
    for is_broken, reason in broken:
        if is_broken:
            raise RejectedMessageError(reason, message_id=event.id)


_LATEST_US: Final = 4_102_444_800_000_000
"""1 January 2100: later is a broken clock, and would overflow a date somewhere."""


def _is_time(microseconds: int) -> bool:
    return 0 <= microseconds < _LATEST_US
