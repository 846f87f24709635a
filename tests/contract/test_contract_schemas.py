"""The exported documents: whole, consistent, and the same as the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract import schemas, topics, wire
from contract.events import EventKind
from contract.schemas import asyncapi, json_schema, render

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def walk(document: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document."""
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from walk(value)
    elif isinstance(document, list):
        for value in document:
            yield from walk(value)


def resolve(document: Any, reference: str) -> Any:
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        document = document[part]
    return document


def test_there_is_a_file_for_each_message_and_one_for_all_topics() -> None:
    assert sorted(render()) == [
        "alert_state.schema.json",
        "asyncapi.json",
        "command.schema.json",
        "discovered.schema.json",
        "event.schema.json",
        "gateway_config.schema.json",
        "presence.schema.json",
        "receipt.schema.json",
        "siren_message.schema.json",
        "status.schema.json",
        "telemetry_batch.schema.json",
        "whereabouts.schema.json",
    ]


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert render() == render()


def test_what_is_in_the_documentation_is_what_the_code_says() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert written == render()


@pytest.mark.parametrize("name", sorted(render()))
def test_every_reference_leads_somewhere(name: str) -> None:
    document = json.loads(render()[name])
    references = [each["$ref"] for each in walk(document) if "$ref" in each]
    assert references
    for reference in references:
        assert resolve(document, reference)


@pytest.mark.parametrize("message", sorted(wire.SCHEMA_VERSIONS, key=str))
def test_a_schema_says_what_the_struct_says(message: type[msgspec.Struct]) -> None:
    document = json_schema(message)
    schema = document["$defs"][message.__name__]
    fields = msgspec.structs.fields(message)
    assert set(schema["properties"]) == {field.name for field in fields}
    assert set(schema["required"]) == {field.name for field in fields if field.required}
    assert schema["properties"]["schema"]["const"] == wire.SCHEMA_VERSIONS[message]
    assert schema.get("additionalProperties", True) is not False, "unknown fields are ignored"
    assert document["description"]
    assert schema["description"] == document["description"]


def test_every_topic_is_a_channel_that_reads_back() -> None:
    document = asyncapi()
    assert document["asyncapi"] == schemas.ASYNCAPI_VERSION
    branches = set()
    for name, channel in document["channels"].items():
        parameters = set(channel["parameters"])
        address = channel["address"].format(
            home="demo", gateway="gateway-a", kind=EventKind.FALL_DETECTED.value
        )
        read = topics.parse(address)
        assert read.branch == name
        branches.add(read.branch)
        assert {f"{{{each}}}" in channel["address"] for each in parameters} == {True}
        assert channel["address"].count("{") == len(parameters)
        assert channel["description"]
    assert branches == {
        topics.EVENT,
        topics.TELEMETRY,
        topics.STATUS,
        topics.RECEIPT,
        topics.ALERT_STATE,
        topics.CONFIG,
        topics.COMMAND,
        topics.DISCOVERED,
        topics.WHEREABOUTS,
        topics.PRESENCE,
        topics.SIREN,
    }


def test_operations_stand_on_their_channels() -> None:
    document = asyncapi()
    used = set()
    for name, operation in document["operations"].items():
        assert operation["action"] in ("send", "receive")
        assert name.startswith(operation["action"])
        channel = resolve(document, operation["channel"]["$ref"])
        used.add(operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"])
        assert operation["bindings"]["mqtt"]["qos"] == 1
        assert channel
    assert len(used) == len(document["channels"])


def test_every_message_of_the_vocabulary_has_a_place() -> None:
    document = asyncapi()
    names = {message.__name__ for message in wire.SCHEMA_VERSIONS}
    assert set(document["components"]["messages"]) == names
    assert {
        name for channel in document["channels"].values() for name in channel["messages"]
    } == names
    assert all(each["summary"] for each in document["components"]["messages"].values())
