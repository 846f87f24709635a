"""The records as the command line uses them, and what it checks before it writes."""

from __future__ import annotations

import difflib
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contract.messages import SensorConfig, WearableConfig

if TYPE_CHECKING:
    from alerts import Directory
    from alerts.devices import Enrolled
    from wardlight.settings import Settings

LONGEST_NAME: Final = 64
"""Of who did something; the records have room for this."""


class RefusedError(RuntimeError):
    """It was not done; the message says why and what to do next."""


@contextmanager
def open_book(settings: Settings) -> Iterator[Directory]:
    """The home's directory.

    Raises
    ------
    RefusedError
        If the records cannot be used, also within the block, or what is asked cannot be.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from alerts import Database, Directory
    from wardlight.services import clock_of

    try:
        database = Database(settings.alerts.database)
    except (SQLAlchemyError, ValueError, OSError, ModuleNotFoundError) as error:
        raise RefusedError(f"the records cannot be opened: {error}") from error
    try:
        if database.file is not None and not database.file.exists():
            raise RefusedError(
                f"there are no records at {database.file}: give the home's settings with --config, "
                "on the machine that keeps them; `wardlight alerts` makes them"
            )
        if not database.is_current():
            raise RefusedError(
                "the records are of another version: `wardlight alerts` updates them"
            )
        yield Directory(database, settings.home.id, clock_of(settings))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    except SQLAlchemyError as error:
        raise RefusedError(f"the records cannot be used: {type(error).__name__}") from error
    finally:
        database.close()


def who() -> str:
    """Who stands in the devices' log for what is typed here."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "?"
    return f"{name} (command line)"[:LONGEST_NAME]


def is_sensor(kind: str, device: str, address: str, key: str | None) -> bool:
    """Whether devices of this kind are room sensors, by its decoder.

    Raises
    ------
    RefusedError
        If there is no such kind here, or it does not take this key.
    """
    from edge.decode import Registry, UnusableKindError
    from edge.wearables import OWN_KIND

    if kind == OWN_KIND:
        return False
    registry = Registry()
    try:
        registry.wearable(WearableConfig(device=device, address=address, kind=kind, key=key))
    except UnusableKindError:
        pass
    else:
        return False
    try:
        registry.sensor(
            SensorConfig(device=device, address=address, zone="zone", kind=kind, key=key)
        )
    except UnusableKindError as error:
        raise RefusedError(
            f"{error}. Kinds here: {', '.join(registry.names)}; those of Bluetooth need "
            "pip install 'wardlight[bluetooth]'"
        ) from error
    return True


def find(directory: Directory, device: str) -> Enrolled:
    """An enrolled device by its name.

    Raises
    ------
    RefusedError
        If there is none, with the nearest.
    """
    devices = {each.device: each for each in directory.devices()}
    if device not in devices:
        close = difflib.get_close_matches(device, devices, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise RefusedError(
            f"{device!r} is no device of this home{hint}: `wardlight devices` lists them, "
            f"`wardlight devices enrol ADDRESS --as {device}` enrols it"
        )
    return devices[device]


def read_key(path: Path) -> str:
    """A key from a file of 32 hexadecimal digits.

    Raises
    ------
    RefusedError
        If it cannot be read. What stands in it is never repeated.
    """
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{path}: no key can be read from it: {type(error).__name__}") from error


def write_key(path: Path, key: str) -> None:
    """Write a key for its owner alone; a file that is there is never overwritten.

    Raises
    ------
    RefusedError
        If it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{key}\n")
    except OSError as error:
        raise RefusedError(f"{path}: cannot be written: {error.strerror}") from error
