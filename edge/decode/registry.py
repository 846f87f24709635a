"""Kinds of devices: found by entry point, loaded when first needed, and never trusted.

Any installed package may name a kind under the group `contract.devices.GROUP`. What it does wrong
costs that kind alone: it is named in an `UnusableKindError`, and its decoders stand behind the
guards of `edge.decode.guard`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final, TypeVar, cast

import structlog

from contract.devices import GROUP, DeviceKind, SensorDecoder, WearableDecoder
from contract.messages import SensorConfig, WearableConfig
from edge.decode.guard import GuardedSensor, GuardedWearable

_log = structlog.get_logger(__name__)

OWN_PACKAGE: Final = "wardlight"
"""The distribution that this file comes with. A kind that it names is nobody else's."""

T = TypeVar("T")
_Config = TypeVar("_Config", SensorConfig, WearableConfig)

_PARTS: Final = ("recognise", "wearable", "sensor")


class UnusableKindError(ValueError):
    """A kind that cannot be used, or not for this device; the message names it and says why."""


class Registry:
    """The kinds of devices that this installation knows.

    Parameters
    ----------
    found
        Entry points; default those of the installed packages.
    """

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._found: dict[str, list[EntryPoint]] = {}
        for each in entry_points(group=GROUP) if found is None else found:
            self._found.setdefault(each.name, []).append(each)
        self._loaded: dict[str, DeviceKind | UnusableKindError] = {}

    @property
    def names(self) -> list[str]:
        """All that are installed, whether or not they can be used."""
        return sorted(self._found)

    def kind(self, name: str) -> DeviceKind:
        """The kind of this name. It is loaded at most once, also if that fails.

        Raises
        ------
        UnusableKindError
            If there is none of this name, or it cannot be loaded.
        """
        if name not in self._loaded:
            try:
                self._loaded[name] = self._load(name)
            except UnusableKindError as error:
                self._loaded[name] = error
        loaded = self._loaded[name]
        if isinstance(loaded, UnusableKindError):
            raise UnusableKindError(str(loaded))
        return loaded

    def usable(self) -> list[DeviceKind]:
        """Every kind that can be loaded, by name; the others are left out, and the log says so."""
        kinds = []
        for name in self.names:
            try:
                kinds.append(self.kind(name))
            except UnusableKindError as error:
                _log.warning("device_kind_unusable", kind=name, reason=str(error))
        return kinds

    def wearable(self, config: WearableConfig) -> WearableDecoder:
        """A decoder for one enrolled wearable of somebody else.

        Raises
        ------
        UnusableKindError
            If its kind cannot be used, or is no wearable.
        """
        decoder = _made(self.kind(config.kind).wearable, config)
        if decoder is None:
            raise UnusableKindError(f"{config.device}: {config.kind!r} is no kind of wearable")
        return GuardedWearable(config.kind, decoder)

    def sensor(self, config: SensorConfig) -> SensorDecoder:
        """A decoder for one enrolled room sensor.

        Raises
        ------
        UnusableKindError
            If its kind cannot be used, is no room sensor, or does not take its key.
        """
        decoder = _made(self.kind(config.kind).sensor, config)
        if decoder is None:
            raise UnusableKindError(f"{config.device}: {config.kind!r} is no kind of room sensor")
        return GuardedSensor(config.kind, decoder)

    def _load(self, name: str) -> DeviceKind:
        """Import what the entry point of this name says.

        Raises
        ------
        UnusableKindError
            If there is none, it is ambiguous, or it is not what it should be.
        """
        entry_point = self._entry_point(name)
        try:
            loaded = entry_point.load()
        except (Exception, SystemExit) as error:
            _log.exception("device_kind_not_loaded", kind=name)
            raise UnusableKindError(
                f"the kind of device {name!r} cannot be loaded from {entry_point.value}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if getattr(loaded, "name", None) != name or not all(
            callable(getattr(loaded, part, None)) for part in _PARTS
        ):
            raise UnusableKindError(
                f"the kind of device {name!r}: {entry_point.value} is no "
                "contract.devices.DeviceKind of that name"
            )
        return cast(DeviceKind, loaded)

    def _entry_point(self, name: str) -> EntryPoint:
        found = self._found.get(name, [])
        ours = [each for each in found if _package(each) == OWN_PACKAGE]
        if ours:
            return ours[0]
        if not found:
            raise UnusableKindError(
                f"there is no kind of device {name!r}; installed are {', '.join(self.names)}"
            )
        packages = sorted({_package(each) for each in found})
        if len(packages) > 1:
            # Better nobody than the wrong one: what it says may be about a resident.
            raise UnusableKindError(
                f"several packages claim the kind of device {name!r}: {', '.join(packages)}"
            )
        return found[0]


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else ""


def _made(make: Callable[[_Config], T | None], config: _Config) -> T | None:
    """What `make` makes of it.

    Raises
    ------
    UnusableKindError
        If it fails. Whoever wrote it may have put the key into the message.
    """
    try:
        return make(config)
    except ValueError as error:
        reason = str(error).replace(config.key, "***") if config.key else str(error)
    except Exception as error:  # noqa: BLE001 - its message may hold the key, so it stays here
        reason = f"it fails with {type(error).__name__}"
    raise UnusableKindError(f"{config.device} cannot be read by {config.kind!r}: {reason}")
