"""What no broker takes, known before it is asked: some answer by closing the connection."""

from __future__ import annotations

from typing import Final

from contract.wire import MAX_PAYLOAD_BYTES

MAX_TOPIC_BYTES: Final = 65_535
"""MQTT 5, 1.5.4: a string's length is two bytes."""


def refusal_of_topic(topic: str) -> str | None:
    """Why nothing may be published on `topic` (MQTT 5, 4.7), or None if it may."""
    if not topic:
        return "an empty topic"
    if any(character in topic for character in "+#\0"):
        return f"topic {topic!r} has a wildcard or a null character"
    if len(topic.encode()) > MAX_TOPIC_BYTES:
        return f"a topic of more than {MAX_TOPIC_BYTES} bytes"
    return None


def refusal_of_payload(payload: bytes) -> str | None:
    """Why nothing may be published that is so long, or None if it may.

    No reader of ours takes it, and mosquitto ends the connection over a packet that is longer
    than it allows: a message that is sent again and again would keep every other one back.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        return f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are accepted"
    return None
