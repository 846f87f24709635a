"""The published OpenAPI: made from the very structs that are sent, so that it cannot lie."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from alerts.views import (
    AbsenceView,
    Board,
    CheckView,
    EventLine,
    FaultView,
    IncidentView,
    LogLine,
    PlaceView,
    ResidentView,
    ServiceView,
    StaffView,
    SwapView,
)
from dashboards.web.problems import PROBLEM_TYPE, Problem

_MICROSECONDS: Final = "Microseconds since 1970 UTC."

_REFERENCE: Final = "#/components/schemas/{name}"

DESCRIPTION: Final = """\
What the staff board shows and does, for programs.

All times are wall time in integer microseconds since 1970 UTC, unless a name says otherwise.
Nothing here confirms a fall: `fall_detected` is a machine's word, an `outcome` a person's.
Acting twice is the same as acting once. A refusal says what was wrong and what to do."""


def reference(kind: type) -> dict[str, str]:
    """A pointer to a struct's schema."""
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def array_of(kind: type) -> dict[str, Any]:
    """The schema of a list of structs."""
    return {"type": "array", "items": reference(kind)}


def answers(
    schema: Mapping[str, Any], description: str, refusals: Mapping[int, str]
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of one operation.

    Parameters
    ----------
    schema, description
        Of the answer with status 200.
    refusals
        Status to the reason for it.
    """
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": description,
            "content": {"application/json": {"schema": dict(schema)}},
        }
    }
    for status, reason in refusals.items():
        found[status] = {
            "description": reason,
            "content": {PROBLEM_TYPE: {"schema": reference(Problem)}},
        }
    return found


def body(kind: type) -> dict[str, Any]:
    """The ``requestBody`` of one operation."""
    content = {"application/json": {"schema": reference(kind)}}
    return {"requestBody": {"required": True, "content": content}}


def _field_notes(kind: type) -> dict[str, str]:
    """What stands under each field in the source of a struct: the one place where it is said."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    notes: dict[str, str] = {}
    for field, note in itertools.pairwise(definition.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(note, ast.Expr)
            and isinstance(note.value, ast.Constant)
            and isinstance(note.value.value, str)
        ):
            notes[field.target.id] = inspect.cleandoc(note.value.value)
    return notes


def _describe_fields(kind: type, components: Mapping[str, dict[str, Any]]) -> None:
    properties = components[kind.__name__].get("properties", {})
    notes = _field_notes(kind)
    for name, schema in properties.items():
        if "description" not in schema and "$ref" not in schema:
            note = notes.get(name) or (_MICROSECONDS if name.endswith("_us") else None)
            if note is not None:
                schema["description"] = note


def publish(app: FastAPI, structs: Sequence[type], examples: Sequence[msgspec.Struct]) -> None:
    """Let the application answer with an OpenAPI document that knows our structs.

    Parameters
    ----------
    app
        Whose routes are described.
    structs
        Everything that is sent or taken.
    examples
        Shown beside the schema of their type. They are added last: the framework would drop
        their nulls.
    """

    def make() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=DESCRIPTION,
                routes=app.routes,
            )
            _, components = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
            for kind in structs:
                _describe_fields(kind, components)
            for example in examples:
                shown = components[type(example).__name__].setdefault("examples", [])
                shown.append(msgspec.to_builtins(example))
            document["components"] = {"schemas": components}
            for path in document["paths"].values():
                for operation in path.values():
                    # Declared by the framework for any parameter; ours are plain text.
                    declared = operation["responses"].get("422", {}).get("content", {})
                    if "application/json" in declared:
                        del operation["responses"]["422"]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = make  # type: ignore[method-assign]


VIEWS: Final[tuple[type, ...]] = (
    Board,
    IncidentView,
    EventLine,
    LogLine,
    FaultView,
    CheckView,
    AbsenceView,
    PlaceView,
    ResidentView,
    ServiceView,
    StaffView,
    SwapView,
    Problem,
)
"""What the desk shows, and our refusals."""
