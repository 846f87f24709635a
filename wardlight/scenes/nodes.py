"""YAML with the line that each value stands in; Python values pass through the same door."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped,unused-ignore]

from wardlight.scenes.scene import SceneError


class Node(NamedTuple):
    """A value and where it stands."""

    value: Any
    """A scalar, a list of nodes, or a dict from name to node."""
    line: int | None = None
    """From 1; none for a value from Python."""


def node_of(value: Any) -> Node:
    """Wrap plain Python values."""
    if isinstance(value, Mapping):
        return Node({str(name): node_of(one) for name, one in value.items()})
    if type(value) in (list, tuple):  # a recorded trial is a tuple of another type
        return Node([node_of(one) for one in value])
    return Node(value)


def read_yaml(path: Path) -> Node:
    """Read a file that holds one YAML document.

    Raises
    ------
    SceneError
        If it cannot be read, is no YAML, says a name twice, or refers to itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SceneError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SceneError([f"{path}: is not UTF-8: {error.reason}"]) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise SceneError([f"{path}:1: the file is empty; a scene begins with 'scene: …'"])
        return _Converter(path).convert(root, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise SceneError([f"{path}:{line}: no valid YAML: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise SceneError([f"{path}: no valid YAML: {error}"]) from error


class _Converter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._scalars = yaml.constructor.SafeConstructor()

    def convert(self, node: Any, above: tuple[int, ...]) -> Node:
        line = node.start_mark.line + 1
        if id(node) in above:
            raise SceneError([f"{self._path}:{line}: this refers to itself"])
        inside = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return Node(self._table(node, inside), line)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.convert(one, inside) for one in node.value], line)
        try:
            return Node(self._scalars.construct_object(node), line)
        except ValueError as error:  # such as a date on the 31st of June
            raise SceneError([f"{self._path}:{line}: {node.value!r}: {error}"]) from error

    def _table(self, node: Any, inside: tuple[int, ...]) -> dict[str, Node]:
        table: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in table:
                line = key.start_mark.line + 1
                raise SceneError([f"{self._path}:{line}: {name!r} stands twice in the same table"])
            table[name] = self.convert(value, inside)._replace(line=key.start_mark.line + 1)
        return table
