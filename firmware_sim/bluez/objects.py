"""The tree of objects that bluetoothd shows: properties, who answers which call, and the signals
that tell of a change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from dbus_fast import Message, Variant

from firmware_sim.bluez.connection import CallRefusedError, Reply

OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
INTROSPECTABLE: Final = "org.freedesktop.DBus.Introspectable"

Properties = dict[str, Variant]
Answer = Callable[[Message], Awaitable[Reply]]
Setter = Callable[[Any], Awaitable[None]]


class Signals(Protocol):
    """Where signals go."""

    def signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        """Tell everybody who asked."""
        ...


class Exported:
    """An object on the bus.

    Parameters
    ----------
    path
        Where it is.
    interfaces
        Its properties, by interface; the tree keeps and changes them.
    calls
        Who answers, by interface and member.
    setters
        Who is asked to change a property, by interface and name.
    """

    def __init__(
        self,
        path: str,
        interfaces: dict[str, Properties],
        calls: Mapping[tuple[str, str], Answer],
        setters: Mapping[tuple[str, str], Setter] | None = None,
    ) -> None:
        self.path = path
        self.interfaces = interfaces
        self.calls = calls
        self.setters = setters or {}


class ObjectTree:
    """All objects of one bluetoothd.

    Parameters
    ----------
    signals
        Where its changes are told.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._objects: dict[str, Exported] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._objects

    def add(self, exported: Exported) -> None:
        """Show an object, and tell of it."""
        self._objects[exported.path] = exported
        self._signals.signal(
            "/",
            OBJECT_MANAGER,
            "InterfacesAdded",
            "oa{sa{sv}}",
            [exported.path, exported.interfaces],
        )

    def remove(self, path: str) -> None:
        """Take away an object and all below it, the lowest first, and tell of it."""
        below = [one for one in self._objects if one == path or one.startswith(f"{path}/")]
        for one in sorted(below, key=len, reverse=True):
            exported = self._objects.pop(one)
            self._signals.signal(
                "/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [one, list(exported.interfaces)]
            )

    def change(
        self, path: str, interface: str, changed: Properties, gone: Sequence[str] = ()
    ) -> None:
        """Set properties and tell of it in one signal, as bluetoothd does once it is idle.

        Parameters
        ----------
        path, interface
            Whose.
        changed
            New values.
        gone
            Properties that there are no longer.
        """
        exported = self._objects.get(path)
        if exported is None:
            return  # it was taken away while something of it was under way
        properties = exported.interfaces[interface]
        properties.update(changed)
        for name in gone:
            properties.pop(name, None)
        self._signals.signal(
            path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, list(gone)]
        )

    def announce_value(self, path: str, interface: str, name: str, value: Variant) -> None:
        """Tell of one value, without keeping it: a notification."""
        self._signals.signal(
            path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, {name: value}, []]
        )

    # -- calls ----------------------------------------------------------------------------

    async def answer(self, call: Message) -> Reply:
        """Answer a call.

        Raises
        ------
        CallRefusedError
            With the error to answer with.
        """
        path, interface, member = str(call.path), str(call.interface), str(call.member)
        if path == "/" and (interface, member) == (OBJECT_MANAGER, "GetManagedObjects"):
            managed = {one: exported.interfaces for one, exported in self._objects.items()}
            return Reply("a{oa{sa{sv}}}", [managed])
        if (interface, member) == (INTROSPECTABLE, "Introspect"):
            return Reply("s", [self._introspection(path)])
        exported = self._objects.get(path)
        if exported is None:
            raise CallRefusedError(
                "org.freedesktop.DBus.Error.UnknownObject",
                f'Method "{member}" with signature "{call.signature}" on interface '
                f'"{interface}" doesn\'t exist',
            )
        if interface == PROPERTIES:
            return await _use_properties(exported, call)
        answer = exported.calls.get((interface, member))
        if answer is None:
            raise CallRefusedError(
                "org.freedesktop.DBus.Error.UnknownMethod",
                f'Method "{member}" with signature "{call.signature}" on interface '
                f'"{interface}" doesn\'t exist',
            )
        return await answer(call)

    def _introspection(self, path: str) -> str:
        """As much as `busctl tree` and `bluetoothctl` look at: interfaces, and what is below."""
        exported = self._objects.get(path)
        interfaces = exported.interfaces if exported is not None else {}
        prefix = path.rstrip("/") + "/"
        below = {
            one.removeprefix(prefix).split("/")[0]
            for one in self._objects
            if one.startswith(prefix)
        }
        lines = [f'<interface name="{name}"/>' for name in interfaces]
        lines += [f'<node name="{name}"/>' for name in sorted(below)]
        return f"<node>{''.join(lines)}</node>"


async def _use_properties(exported: Exported, call: Message) -> Reply:
    if not call.body or call.body[0] not in exported.interfaces:
        raise CallRefusedError(
            "org.freedesktop.DBus.Error.InvalidArgs", f"No such interface {call.body[:1]}"
        )
    interface = str(call.body[0])
    properties = exported.interfaces[interface]
    if call.member == "GetAll":
        return Reply("a{sv}", [properties])
    name = str(call.body[1])
    if call.member == "Get" and name in properties:
        return Reply("v", [properties[name]])
    if call.member == "Set" and (setter := exported.setters.get((interface, name))):
        await setter(call.body[2].value)
        return Reply()
    raise CallRefusedError(
        "org.freedesktop.DBus.Error.InvalidArgs", f"No such property '{name}' to {call.member}"
    )
