"""The scene language as JSON Schema, for editors that check while one writes.

``python -m wardlight.scenes > docs/scene.schema.json`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wardlight.scenes.words import (
    AT,
    EVERYONE,
    EXPECTATIONS,
    HAPPENINGS,
    SCENE,
    TABLES,
    Slot,
    Sort,
    Word,
)

_NAME: Final[Mapping[str, Any]] = {"type": ["string", "number"]}
_NAMES: Final[Mapping[str, Any]] = {"type": "array", "items": _NAME}
_TWO_NUMBERS: Final[Mapping[str, Any]] = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}
_SORTS: Final[Mapping[Sort, Mapping[str, Any]]] = {
    Sort.NUMBER: {"type": "number"},
    Sort.WHOLE: {"type": "integer"},
    Sort.FLAG: {"type": "boolean"},
    Sort.TRUE: {"const": True},
    Sort.ROOMS: _NAMES,
    Sort.RESIDENTS: {"anyOf": [{"const": EVERYONE}, _NAMES]},
    Sort.POINT: _TWO_NUMBERS,
    Sort.WINDOW: {"anyOf": [{"type": "number", "minimum": 0}, _TWO_NUMBERS]},
    Sort.MOMENT: {"type": "string", "format": "date-time"},
    Sort.FILE: {"type": "string", "minLength": 1},
}


def scene_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scene."""
    properties = _properties(SCENE)
    for name, slots in TABLES.items():
        entry: dict[str, Any] = _object(slots)
        if slots[0].required:
            entry = {"anyOf": [_of(slots[0]), entry]}
        elif not any(slot.required for slot in slots):
            entry = {"anyOf": [{"type": "null"}, entry]}
        properties[name] = {"type": "object", "additionalProperties": entry}
    properties["happens"] = _list(HAPPENINGS, (AT,))
    properties["expect"] = _list(EXPECTATIONS, ())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wardlight scene",
        "description": "Who is there, what happens when, and what is expected within which "
        "tolerance. See docs/replay.md.",
        "type": "object",
        "properties": properties,
        "required": [slot.name for slot in SCENE if slot.required],
        "additionalProperties": False,
    }


def schema_text() -> str:
    """The schema as it stands in the documentation."""
    return json.dumps(scene_schema(), indent=2, ensure_ascii=False) + "\n"


def _list(words: Mapping[str, Word], beside: Sequence[Slot]) -> dict[str, Any]:
    items = [_object((word.subject, *beside, *word.options), word.name) for word in words.values()]
    return {"type": "array", "items": {"oneOf": items}}


def _object(slots: Sequence[Slot], *needed: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "properties": _properties(slots),
        "additionalProperties": False,
    }
    required = [*needed, *(slot.name for slot in slots if slot.required)]
    return found | {"required": required} if required else found


def _properties(slots: Sequence[Slot]) -> dict[str, Any]:
    return {slot.name: _of(slot) for slot in slots}


def _of(slot: Slot) -> dict[str, Any]:
    if slot.sort is Sort.CHOICE:
        found: dict[str, Any] = {"enum": [str(choice) for choice in slot.choices]}
    else:
        found = dict(_SORTS.get(slot.sort, _NAME))
    found["description"] = slot.says
    if slot.default not in (None, "", ()):
        found["default"] = slot.default
    if slot.least is not None:
        found["minimum"] = slot.least
    if slot.most is not None:
        found["maximum"] = slot.most
    return found
