"""JSON Schema of every message, and an AsyncAPI document of every topic, made of the code.

`render` gives the texts; who writes them to ``docs/schemas/`` or compares them with what is
there does that elsewhere: nothing here touches a file.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from contract import topics
from contract.events import Event, EventKind
from contract.ids import IDENTIFIER_PATTERN
from contract.messages import (
    AlertState,
    Command,
    Discovered,
    GatewayConfig,
    Presence,
    Receipt,
    SirenMessage,
    Status,
)
from contract.telemetry import TelemetryBatch
from contract.whereabouts import Whereabouts
from contract.wire import COMPRESS_FROM_BYTES, MAX_PAYLOAD_BYTES, SCHEMA_VERSIONS

JSON_SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI_VERSION: Final = "3.0.0"
MQTT_BINDING_VERSION: Final = "0.2.0"

Json = dict[str, Any]

_SEND: Final = "send"
_RECEIVE: Final = "receive"


class _Channel(NamedTuple):
    """A topic, as a gateway sees it."""

    name: str
    message: type[msgspec.Struct]
    action: str
    """What a gateway does with it."""
    retained: bool
    sender: str
    """Who stands in the topic's third place."""
    description: str


_CHANNELS: Final = (
    _Channel(
        topics.EVENT,
        Event,
        _SEND,
        False,
        "the gateway",
        "An alarm or a notice. Sent again, with its age renewed, until every receipt that it "
        "needs has come; readers are idempotent by its id.",
    ),
    _Channel(
        topics.TELEMETRY,
        TelemetryBatch,
        _SEND,
        False,
        "the gateway",
        "Summaries of one second each. Sent again until ingest's cumulative receipt. A payload of "
        f"{COMPRESS_FROM_BYTES} bytes or more travels as a zlib stream (RFC 1950) of the JSON; a "
        "reader knows it by its first byte, 0x78, with which no JSON begins.",
    ),
    _Channel(
        topics.STATUS,
        Status,
        _SEND,
        True,
        "the gateway or service",
        "A heartbeat; the last will says offline. A will counts only for the session it names, "
        "and the age of the last heartbeat decides.",
    ),
    _Channel(
        topics.RECEIPT,
        Receipt,
        _RECEIVE,
        False,
        "the gateway (or service) that the receipt is for",
        "From ingest and from alerts: what is durable there, or was refused and why.",
    ),
    _Channel(
        topics.ALERT_STATE,
        AlertState,
        _RECEIVE,
        False,
        "the gateway that it is for",
        "From alerts: every incident that is not resolved, whole each time. Also alerts' "
        "heartbeat: without it for 60 s a gateway sounds its own tone.",
    ),
    _Channel(
        topics.CONFIG,
        GatewayConfig,
        _RECEIVE,
        True,
        "the gateway that it is for",
        "From alerts: who wears what, bed labels, how loud the siren may be. No names.",
    ),
    _Channel(
        topics.DISCOVERED,
        Discovered,
        _SEND,
        False,
        "the gateway",
        "Devices that could be enrolled, once a second while a discover command lasts and never "
        "otherwise: nobody's address is collected in passing.",
    ),
    _Channel(
        topics.WHEREABOUTS,
        Whereabouts,
        _SEND,
        False,
        "the gateway that leads",
        "Where each resident is held to be: on each change, at most once a second, and every ten "
        "seconds, whole each time. Other gateways name the place in their events by it.",
    ),
    _Channel(
        topics.COMMAND,
        Command,
        _RECEIVE,
        False,
        "the gateway that it is for",
        "From alerts: done at most once, and not after it expires.",
    ),
    _Channel(
        topics.PRESENCE,
        Presence,
        _SEND,
        False,
        "the gateway that heard",
        "Once a second, to the other gateways of the home: who is heard how strongly.",
    ),
    _Channel(
        topics.SIREN,
        SirenMessage,
        _SEND,
        False,
        "the gateway whose sounders are told",
        "To the sounders at its staff points: begin, go on (every five seconds), stop. A sounder "
        "that hears nothing for 15 s stops by itself.",
    ),
)


def json_schema(message: type[msgspec.Struct]) -> Json:
    """The JSON Schema of one message, complete in itself."""
    components = _components((message,), "#/$defs/{name}")
    return {
        "$schema": JSON_SCHEMA_DIALECT,
        "title": message.__name__,
        "description": _describe(message),
        "$ref": f"#/$defs/{message.__name__}",
        "$defs": components,
    }


def asyncapi() -> Json:
    """The AsyncAPI document: what a gateway sends and receives."""
    messages = tuple(SCHEMA_VERSIONS)
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Wardlight over MQTT, as a gateway sees it",
            "version": topics.ROOT.rpartition("/")[2],
            "description": (
                "QoS 1 and clean sessions throughout; MQTT 5, or 3.1.1 where a broker knows "
                "nothing newer. A PUBACK proves nothing: receipts do. Payloads are JSON of at "
                f"most {MAX_PAYLOAD_BYTES} bytes; unknown fields are ignored, an unknown "
                "schema version is refused with a reason. Services stand in a gateway's place "
                "with their own names."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in _CHANNELS},
        "operations": {
            f"{channel.action}_{channel.name}": _operation(channel) for channel in _CHANNELS
        },
        "components": {
            "messages": {message.__name__: _message(message) for message in messages},
            "schemas": _components(messages, "#/components/schemas/{name}"),
        },
    }


def render() -> dict[str, str]:
    """Every document as text, by file name: ``asyncapi.json`` and ``<message>.schema.json``."""
    documents = {f"{_file_stem(each)}.schema.json": json_schema(each) for each in SCHEMA_VERSIONS}
    documents["asyncapi.json"] = asyncapi()
    return {
        name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in sorted(documents.items())
    }


def _components(messages: tuple[type[msgspec.Struct], ...], reference: str) -> Json:
    """Schemas of the messages and of all that they are made of, by name."""
    _, components = msgspec.json.schema_components(messages, ref_template=reference)
    for message, version in SCHEMA_VERSIONS.items():
        if message.__name__ in components:
            components[message.__name__]["properties"]["schema"] = {
                "const": version,
                "description": "Version of this message; a reader looks at it first.",
            }
    return {name: _tidy(components[name]) for name in sorted(components)}


def _tidy(schema: Any) -> Any:
    """Docstrings without their indentation."""
    if isinstance(schema, Mapping):
        return {
            key: inspect.cleandoc(value)
            if key == "description" and isinstance(value, str)
            else _tidy(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    return schema


def _describe(message: type[msgspec.Struct]) -> str:
    return inspect.cleandoc(message.__doc__ or "")


def _file_stem(message: type[msgspec.Struct]) -> str:
    """``TelemetryBatch`` becomes ``telemetry_batch``."""
    return "".join(
        f"_{letter.lower()}" if letter.isupper() and position else letter.lower()
        for position, letter in enumerate(message.__name__)
    )


def _channel(channel: _Channel) -> Json:
    address = topics.build("{home}", "{gateway}", channel.name)
    parameters: Json = {
        "home": {"description": f"The home: {IDENTIFIER_PATTERN}"},
        "gateway": {"description": f"Whose branch it is, {channel.sender}: {IDENTIFIER_PATTERN}"},
    }
    if channel.name == topics.EVENT:
        address = f"{address}/{{kind}}"
        parameters["kind"] = {
            "description": "The event's kind, as in the payload.",
            "enum": [kind.value for kind in EventKind],
        }
    name = channel.message.__name__
    return {
        "address": address,
        "description": channel.description,
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operation(channel: _Channel) -> Json:
    name = channel.message.__name__
    binding: Json = {"qos": 1, "bindingVersion": MQTT_BINDING_VERSION}
    if channel.action == _SEND:
        binding["retain"] = channel.retained
    kept = " Retained." if channel.retained else ""
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{name}"}],
        "summary": f"A gateway {channel.action}s {name}.{kept}",
        "bindings": {"mqtt": binding},
    }


def _message(message: type[msgspec.Struct]) -> Json:
    name = message.__name__
    return {
        "name": name,
        "title": name,
        "summary": _describe(message).partition("\n\n")[0].replace("\n", " "),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }
