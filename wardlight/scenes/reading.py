"""From YAML, or the same in Python values, to a `Scene`: every fault is found in one reading,
named with its file, line and path, and with the nearest word that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract.clock import DEFAULT_VIRTUAL_START
from wardlight.scenes.nodes import Node, node_of, read_yaml
from wardlight.scenes.scene import Entry, Expectation, Happening, Scene, SceneError
from wardlight.scenes.values import checked, nearest, plain
from wardlight.scenes.words import (
    AT,
    EXPECTATIONS,
    HAPPENINGS,
    LISTS,
    SCENE,
    TABLES,
    Slot,
    Word,
)


def read_scene(path: Path) -> Scene:
    """Read a scene from a YAML file.

    Raises
    ------
    SceneError
        With everything that is wrong in it.
    """
    reader = Reader(str(path))
    scene = reader.scene(read_yaml(path), path.parent)
    reader.finish()
    return scene


class Reader:
    """Reads nodes against the tables of `words`, collecting faults.

    Parameters
    ----------
    source
        What faults are named with: a file, or what stands for one.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.faults: list[str] = []

    def finish(self) -> None:
        """Raise `SceneError` if there was a fault."""
        if self.faults:
            raise SceneError(self.faults)

    def where(self, node: Node) -> str:
        """File and line."""
        return self._source if node.line is None else f"{self._source}:{node.line}"

    def _fault(self, node: Node, path: str, text: str) -> None:
        place = f"{self.where(node)}: {path}" if path else self.where(node)
        self.faults.append(f"{place}: {text}")

    # -- the whole ---------------------------------------------------------------------------

    def scene(self, root: Node, folder: Path) -> Scene:
        """Read a whole scene; look at `faults` afterwards."""
        table = self._table(root, "")
        known = {slot.name for slot in SCENE} | set(TABLES) | set(LISTS)
        for name, node in table.items():
            if name not in known:
                self._fault(node, "", f"unknown word {name!r}{nearest(name, sorted(known))}")
        values = self._values(root, table, SCENE, "")
        entries = {
            name: self.entries(name, table[name]) if name in table else () for name in TABLES
        }
        return Scene(
            title=values.get("scene", ""),
            seed=values.get("seed", 0),
            starts=values.get("starts") or DEFAULT_VIRTUAL_START,
            settle_s=values.get("settle", 0.0),
            lasts_s=values.get("lasts"),
            folder=folder,
            happens=tuple(self._list(table, "happens", self.happening)),
            expects=tuple(self._list(table, "expect", self.expectation)),
            **entries,
        )

    def _list(self, table: Mapping[str, Node], name: str, read: Any) -> list[Any]:
        node = table.get(name, Node([]))
        if not isinstance(node.value, list):
            self._fault(node, name, "a list is meant here: each item begins with a dash")
            return []
        read_all = [read(one, f"{name}[{number}]") for number, one in enumerate(node.value)]
        return [one for one in read_all if one is not None]

    def entries(self, table: str, node: Node) -> tuple[Entry, ...]:
        """Read the residents, the staff, the rooms or the gateways."""
        slots = TABLES[table]
        found = []
        for name, one in self._table(node, table).items():
            path = f"{table}.{name}"
            inner = one
            if isinstance(one.value, str) and slots[0].required:
                inner = Node({slots[0].name: one}, one.line)  # gateway-a: room-212
            if one.value is None:
                inner = Node({}, one.line)  # ada: with nothing behind it
            values = self._table(inner, path)
            self._unknown(values, slots, path)
            found.append(
                Entry(
                    name=name,
                    values=self._values(inner, values, slots, path),
                    where=self.where(one),
                )
            )
        return tuple(found)

    # -- items ---------------------------------------------------------------------------------

    def happening(self, node: Node, path: str) -> Happening | None:
        """Read one item of ``happens``."""
        table = self._table(node, path)
        word = self._word(node, table, HAPPENINGS, path, (AT,))
        if word is None:
            return None
        subject, values = self._said(node, table, word, path, (AT,))
        at_s = values.pop("at", 0.0)
        return Happening(
            at_s=at_s, word=word.name, subject=subject, options=values, where=self.where(node)
        )

    def expectation(self, node: Node, path: str) -> Expectation | None:
        """Read one item of ``expect``."""
        table = self._table(node, path)
        word = self._word(node, table, EXPECTATIONS, path, ())
        if word is None:
            return None
        subject, values = self._said(node, table, word, path, ())
        after_s = values.pop("after", 0.0)
        window = values.pop("within", None) or values.pop("between", None) or (0.0, None)
        values.pop("between", None)
        return Expectation(
            word=word.name,
            subject=subject,
            options=values,
            from_s=after_s + window[0],
            until_s=None if window[1] is None else after_s + window[1],
            where=self.where(node),
        )

    def _word(
        self,
        node: Node,
        table: Mapping[str, Node],
        words: Mapping[str, Word],
        path: str,
        beside: tuple[Slot, ...],
    ) -> Word | None:
        """The one verb of an item."""
        said = [name for name in table if name in words]
        if len(said) == 1:
            return words[said[0]]
        if len(said) > 1:
            self._fault(node, path, f"says {' and '.join(said)}: one to an item, please")
            return None
        options = {slot.name for word in words.values() for slot in word.options}
        strange = [n for n in table if n not in options | {slot.name for slot in beside}]
        if strange:
            near = nearest(strange[0], words)
            self._fault(table[strange[0]], path, f"unknown word {strange[0]!r}{near}")
        elif table or node.value == {}:
            self._fault(node, path, f"does not say what{nearest('', words)}")
        return None

    def _said(
        self,
        node: Node,
        table: Mapping[str, Node],
        word: Word,
        path: str,
        beside: tuple[Slot, ...],
    ) -> tuple[Any, dict[str, Any]]:
        path = f"{path}.{word.name}"
        slots = (*beside, *word.options)
        rest = {name: one for name, one in table.items() if name != word.name}
        self._unknown(rest, slots, path)
        subject = self._value(table[word.name], word.subject, path)
        return subject, self._values(node, rest, slots, path, given_only=True)

    # -- values ----------------------------------------------------------------------------------

    def _table(self, node: Node, path: str) -> dict[str, Node]:
        if isinstance(node.value, dict):
            return node.value
        self._fault(node, path, f"names with values are meant here, not {plain(node)!r}")
        return {}

    def _unknown(self, table: Mapping[str, Node], slots: tuple[Slot, ...], path: str) -> None:
        known = [slot.name for slot in slots]
        for name, node in table.items():
            if name not in known:
                self._fault(node, path, f"unknown word {name!r}{nearest(name, known)}")

    def _values(
        self,
        node: Node,
        table: Mapping[str, Node],
        slots: tuple[Slot, ...],
        path: str,
        *,
        given_only: bool = False,
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for slot in slots:
            if slot.name in table:
                inner = f"{path}.{slot.name}" if path else slot.name
                values[slot.name] = self._value(table[slot.name], slot, inner)
            elif slot.required:
                self._fault(node, path, f"{slot.name!r} is missing: {slot.says}")
            elif slot.default is not None or not given_only:
                values[slot.name] = slot.default
        return values

    def _value(self, node: Node, slot: Slot, path: str) -> Any:
        try:
            return checked(node, slot)
        except ValueError as error:
            self._fault(node, path, str(error))
            return slot.default


def one_happening(
    at_s: float, word: str, subject: Any, options: Mapping[str, Any], where: str
) -> Happening:
    """A happening from Python values.

    Raises
    ------
    SceneError
        If it says something unknown or wrong.
    """
    reader = Reader(where)
    said = node_of({"at": at_s, word: subject, **options})
    found = reader.happening(said, word)
    reader.finish()
    assert found is not None
    return found


def one_expectation(said: Mapping[str, Any], where: str) -> Expectation:
    """An expectation from Python values.

    Raises
    ------
    SceneError
        If it says something unknown or wrong.
    """
    reader = Reader(where)
    found = reader.expectation(node_of(said), "expect")
    reader.finish()
    assert found is not None
    return found


def some_entries(table: str, values: Mapping[str, Any], where: str) -> tuple[Entry, ...]:
    """Residents, staff, rooms or gateways from Python values.

    Raises
    ------
    SceneError
        If one says something unknown or wrong.
    """
    reader = Reader(where)
    found = reader.entries(table, node_of(values))
    reader.finish()
    return found
