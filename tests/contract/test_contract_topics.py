"""Topics, and MQTT's rules for filters with the examples of its own text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import topics
from contract.events import EventKind


@pytest.mark.parametrize(
    ("topic_filter", "topic", "fits"),
    [
        # MQTT 5, 4.7.1.2: multi-level wildcard
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "sport/tennis/player1", True),
        ("sport/tennis/#", "sport/tennis/player1/ranking", True),
        # MQTT 5, 4.7.1.3: single-level wildcard
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player2", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+", "sport", True),
        ("+/tennis/#", "sport/tennis/player1", True),
        ("sport/+/player1", "sport/tennis/player1", True),
        ("/finance", "/finance", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        # MQTT 5, 4.7.2: topics that begin with $
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor/Clients", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        # MQTT 5, 4.7.3: case and slashes
        ("ACCOUNTS", "Accounts", False),
        ("Accounts payable", "Accounts payable", True),
        ("finance", "/finance", False),
        ("finance", "finance/", False),
        ("a", "a/b", False),
        ("a/b", "a", False),
    ],
)
def test_the_specifications_examples(topic_filter: str, topic: str, fits: bool) -> None:
    assert topics.matches(topic_filter, topic) is fits


LEVELS = st.lists(st.sampled_from(["a", "b", "", "long-name"]), min_size=1, max_size=5)


@given(LEVELS, st.data())
def test_a_filter_made_from_a_topic_fits_it(levels: list[str], data: st.DataObject) -> None:
    topic = "/".join(levels)
    assert topics.matches(topic, topic)
    some = [data.draw(st.sampled_from([level, "+"])) for level in levels]
    assert topics.matches("/".join(some), topic)
    kept = data.draw(st.integers(0, len(levels)))
    assert topics.matches("/".join([*some[:kept], "#"]), topic)
    assert not topics.matches("/".join([*some, "a"]), topic)


@pytest.mark.parametrize("kind", list(EventKind))
def test_an_events_topic_reads_as_it_was_built(kind: EventKind) -> None:
    topic = topics.event_topic("demo", "gateway-a", kind)
    assert topic == f"wardlight/v1/demo/gateway-a/event/{kind.value}"
    assert topics.parse(topic) == ("demo", "gateway-a", "event", kind)
    assert topics.matches(topics.event_topic("demo", topics.ANY, topics.ANY), topic)
    assert not topics.matches(topics.event_topic("other", topics.ANY, topics.ANY), topic)


@pytest.mark.parametrize(
    "branch",
    [
        topics.TELEMETRY,
        topics.STATUS,
        topics.RECEIPT,
        topics.ALERT_STATE,
        topics.CONFIG,
        topics.COMMAND,
        topics.PRESENCE,
        topics.SIREN,
    ],
)
def test_other_topics_read_as_they_were_built(branch: str) -> None:
    topic = topics.build("demo", "ingest", branch)
    assert topics.parse(topic) == ("demo", "ingest", branch, None)
    assert topics.matches(topics.build(topics.ANY, topics.ANY, branch), topic)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "wardlight",
        "wardlight/v1",
        "wardlight/v1/demo",
        "wardlight/v1/demo/gateway-a",
        "wardlight/v2/demo/gateway-a/status",
        "other/v1/demo/gateway-a/status",
        "/wardlight/v1/demo/gateway-a/status",
        "wardlight/v1/demo/gateway-a/event",
        "wardlight/v1/demo/gateway-a/status/more",
        "wardlight/v1/demo/gateway-a/event/fall/more",
        "wardlight/v1/DEMO/gateway-a/status",
        "wardlight/v1/demo/gateway a/status",
        "wardlight/v1//gateway-a/status",
        "wardlight/v1/demo/+/status",
        "wardlight/v1/demo/gateway-a\n/status",
    ],
)
def test_a_strangers_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        topics.parse(topic)
