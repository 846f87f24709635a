"""What goes wrong on a Raspberry Pi's Bluetooth, so that it can be made to go wrong here.

Each kind was met by somebody: BlueZ and bleak's issue trackers, Home Assistant's forum, FIELD.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from dbus_fast import Message

from firmware_sim.bluez.connection import CallRefusedError

FAILED: Final = "org.bluez.Error.Failed"
IN_PROGRESS: Final = "org.bluez.Error.InProgress"


class Mishap(StrEnum):
    """What a call meets."""

    HANG = "hang"
    """It is never answered."""
    IN_PROGRESS = "in-progress"
    """``org.bluez.Error.InProgress``, which bleak retries for ever on reads and writes."""
    ABORT_BY_LOCAL = "abort-by-local"
    """``le-connection-abort-by-local`` (BlueZ 5.62 and later), with the device connected for a
    moment: bleak waits for the signal that it no longer is."""
    ABORT_BY_LOCAL_SILENT = "abort-by-local-silent"
    """The same text without that signal: bleak waits until its own time limit."""
    ABORT = "abort"
    """``Software caused connection abort``, as earlier versions say it."""
    NOT_READY = "not-ready"
    """``org.bluez.Error.NotReady``: the adapter is down."""
    NO_REPLY = "no-reply"
    """``org.freedesktop.DBus.Error.NoReply``: bluetoothd did not answer its own kernel."""


ERRORS: Final[dict[Mishap, tuple[str, str]]] = {
    Mishap.IN_PROGRESS: (IN_PROGRESS, "Operation already in progress"),
    Mishap.ABORT_BY_LOCAL: (FAILED, "le-connection-abort-by-local"),
    Mishap.ABORT_BY_LOCAL_SILENT: (FAILED, "le-connection-abort-by-local"),
    Mishap.ABORT: (FAILED, "Software caused connection abort"),
    Mishap.NOT_READY: ("org.bluez.Error.NotReady", "Resource Not Ready"),
    Mishap.NO_REPLY: ("org.freedesktop.DBus.Error.NoReply", "Did not receive a reply"),
}


@dataclass
class _Rule:
    member: str
    mishap: Mishap
    times: int | None
    under: str


@dataclass
class Mishaps:
    """What the calls to one bluetoothd meet, and how often it has happened."""

    _rules: list[_Rule] = field(default_factory=list)
    met: dict[Mishap, int] = field(default_factory=dict)

    def let(
        self, member: str, mishap: Mishap, *, times: int | None = None, under: str = "/"
    ) -> None:
        """Let calls go wrong from now on.

        Parameters
        ----------
        member
            Such as ``Connect``, ``StartDiscovery``, ``StopDiscovery``, ``StartNotify``,
            ``ReadValue``, ``WriteValue``, ``Disconnect``; ``*`` for every call to an object
            of bluetoothd.
        mishap
            What each meets.
        times
            How many of them; default all, until `clear`.
        under
            Only calls to objects at or below this path, such as ``/org/bluez/hci0``.
        """
        self._rules.append(_Rule(member, Mishap(mishap), times, under.rstrip("/")))

    def clear(self) -> None:
        """Everything is well again from now on; what hangs goes on hanging."""
        self._rules.clear()

    def of(self, call: Message) -> Mishap | None:
        """What this call meets; it counts as met."""
        path, member = f"{call.path}/", call.member
        for rule in self._rules:
            if rule.member in ("*", member) and path.startswith(f"{rule.under}/"):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times <= 0:
                        self._rules.remove(rule)
                self.met[rule.mishap] = self.met.get(rule.mishap, 0) + 1
                return rule.mishap
        return None


def refusal(mishap: Mishap) -> CallRefusedError:
    """The error that a mishap is answered with; `KeyError` for one that is not answered."""
    return CallRefusedError(*ERRORS[mishap])
