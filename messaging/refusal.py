"""What no broker takes, known before it is asked: some answer by closing the connection."""

from __future__ import annotations

from typing import Final

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
