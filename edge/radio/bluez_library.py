"""What the radio has to know about bleak itself: how it fails, and what it believes."""

from __future__ import annotations

from typing import Final

from bleak.exc import BleakError
from bleak_retry_connector.bleak_manager import get_global_bluez_manager_sync
from dbus_fast import AuthError, DBusError, InvalidMessageError

BLEAK_ERRORS: Final = (
    BleakError,
    DBusError,
    AuthError,
    InvalidMessageError,
    OSError,
    EOFError,
    KeyError,
    AttributeError,
    AssertionError,
)
"""How a call of bleak fails. Beside its own errors: those of a D-Bus socket that ends under it, and
those of its tables, which lose an entry when a device goes while it is being looked at (the same
as bleak-retry-connector knows, and its assertions that a bus is there)."""


def reason_of(error: BaseException) -> str:
    """What went wrong, as one line for a person."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def forget_bluez() -> None:
    """Make bleak forget what bluetoothd has told it.

    A bluetoothd that was killed took back nothing of it: bleak would still hold its devices for
    connected and its adapters for there. Its own connection to D-Bus is ended, at which it forgets
    everything, tells its clients that they are disconnected, and asks anew when it is next used.
    There is no public way to say so (bleak 3.1).
    """
    manager = get_global_bluez_manager_sync()
    bus = manager._bus if manager is not None else None  # noqa: SLF001
    if bus is not None and bus.connected:
        bus.disconnect()
