"""MQTT topics: built and read here and nowhere else.

The root is ``wardlight/v1/{home}/{gateway}/…``; a service stands in a gateway's place with
its own name (`contract.ids.SERVICE_NAMES`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from contract.events import EventKind
from contract.ids import check_identifier

ROOT: Final = "wardlight/v1"

EVENT: Final = "event"
TELEMETRY: Final = "telemetry"
STATUS: Final = "status"
RECEIPT: Final = "receipt"
ALERT_STATE: Final = "alert_state"
CONFIG: Final = "config"
COMMAND: Final = "command"
PRESENCE: Final = "presence"
WHEREABOUTS: Final = "whereabouts"
SIREN: Final = "siren"
DISCOVERED: Final = "discovered"
PROBE: Final = "probe"
"""Where a worker asks whether shared subscriptions work; nobody else reads it."""

ANY: Final = "+"

_TOPICS_REMEMBERED: Final = 4096
"""The same few topics come again and again; a stranger's inventions push each other out."""


class Topic(NamedTuple):
    """A topic, read."""

    home: str
    sender: str
    """The gateway or service whose branch it is."""
    branch: str
    kind: str | None
    """For an event: its kind."""


def build(home: str, sender: str, branch: str) -> str:
    """``wardlight/v1/{home}/{sender}/{branch}``; `ANY` fits every place, for a filter."""
    return f"{ROOT}/{home}/{sender}/{branch}"


def event_topic(home: str, gateway: str, kind: EventKind | str) -> str:
    """Where an event of `kind` is published; `ANY` for a filter."""
    return f"{build(home, gateway, EVENT)}/{kind}"


def shared(group: str, topic_filter: str) -> str:
    """A filter whose messages the members of `group` share out among them (MQTT 5, 4.8.2)."""
    return f"$share/{group}/{topic_filter}"


@lru_cache(_TOPICS_REMEMBERED)
def parse(topic: str) -> Topic:
    """Read a topic.

    Raises
    ------
    ValueError
        If it is none of ours.
    """
    parts = topic.split("/")
    root = ROOT.split("/")
    if parts[:2] != root or len(parts) not in (5, 6):
        raise ValueError(f"not a topic of this system: {topic!r}")
    home, sender, branch = parts[2:5]
    check_identifier(home, "home")
    check_identifier(sender, "sender")
    kind = parts[5] if len(parts) == 6 else None
    if (branch == EVENT) != (kind is not None):
        raise ValueError(f"not a topic of this system: {topic!r}")
    return Topic(home, sender, branch, kind)


@lru_cache(_TOPICS_REMEMBERED)
def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter (with ``+`` and ``#``) fits a topic (MQTT 5, 4.7)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and not wanted[0].startswith("$"):
        return False
    for index, part in enumerate(wanted):
        if part == "#":
            return True
        if index >= len(given) or part not in (ANY, given[index]):
            return False
    return len(wanted) == len(given)
