"""One connection to a message bus, as a service: calls come in, answers and signals go out."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from dbus_fast import Message, MessageFlag, MessageType, NameFlag, RequestNameReply
from dbus_fast.aio import MessageBus

DBUS: Final = "org.freedesktop.DBus"
_DBUS_PATH: Final = "/org/freedesktop/DBus"


class Reply(NamedTuple):
    """What a call is answered with."""

    signature: str = ""
    body: Sequence[Any] = ()
    files: Sequence[int] = ()
    """Descriptors that go with it; closed here once they are sent."""


class CallRefusedError(RuntimeError):
    """A call is answered with an error.

    Parameters
    ----------
    name
        Of the error, such as ``org.bluez.Error.Failed``.
    text
        What it says.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


class _PatientSocket:
    """Sends what fits, and says so.

    dbus_fast 5.2 takes a full socket (EAGAIN) in the midst of a burst for the end of the
    connection; told that nothing was sent, it waits until there is room (PLATFORM, BLE).
    """

    def __init__(self, wrapped: socket.socket) -> None:
        self._wrapped = wrapped

    def send(self, data: memoryview) -> int:
        try:
            return self._wrapped.send(data)
        except BlockingIOError:
            return 0

    def sendmsg(self, buffers: Any, ancillary: Any) -> int:
        return self._wrapped.sendmsg(buffers, ancillary)


class Connection:
    """A service on a message bus.

    Parameters
    ----------
    address
        Of the bus.
    on_call
        Gets each method call.
    on_signal
        Gets each signal that was asked for with `match`.
    """

    def __init__(
        self,
        address: str,
        on_call: Callable[[Message], None],
        on_signal: Callable[[Message], None],
    ) -> None:
        self._address = address
        self._on_call = on_call
        self._on_signal = on_signal
        self._bus: MessageBus | None = None

    async def open(self, name: str) -> None:
        """Connect and own `name`.

        Raises
        ------
        OSError
            If there is no bus.
        CallRefusedError
            If another owns the name.
        """
        bus = MessageBus(bus_address=self._address, negotiate_unix_fd=True)
        await bus.connect()
        writer = bus._writer  # noqa: SLF001 - there is no other way to the socket that it sends on
        assert writer is not None, "connected"
        assert writer.sock is not None, "connected"
        writer.sock = _PatientSocket(writer.sock)  # type: ignore[assignment]
        bus.add_message_handler(self._take)
        self._bus = bus
        reply = await bus.request_name(name, NameFlag.DO_NOT_QUEUE)
        if reply not in (RequestNameReply.PRIMARY_OWNER, RequestNameReply.ALREADY_OWNER):
            self.close()
            raise CallRefusedError(f"{DBUS}.Error.Failed", f"another owns {name} on this bus")

    def _take(self, message: Message) -> bool:
        if message.message_type is MessageType.METHOD_CALL:
            self._on_call(message)
            return True
        if message.message_type is MessageType.SIGNAL:
            self._on_signal(message)
        return False

    def close(self) -> None:
        """Let go of the bus at once, as a process that dies."""
        if self._bus is not None:
            bus, self._bus = self._bus, None
            bus.disconnect()

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._bus is not None and self._bus.connected

    async def match(self, rule: str) -> None:
        """Ask for signals by a rule of the D-Bus specification.

        Raises
        ------
        CallRefusedError
            If the bus does not understand it.
        """
        await self.call(
            Message(
                destination=DBUS,
                path=_DBUS_PATH,
                interface=DBUS,
                member="AddMatch",
                signature="s",
                body=[rule],
            )
        )

    async def call(self, message: Message) -> Message:
        """Call somebody and wait for the answer.

        Raises
        ------
        CallRefusedError
            If the answer is an error, or the bus is gone.
        """
        if self._bus is None:
            raise CallRefusedError(f"{DBUS}.Error.Disconnected", "the bus is gone")
        reply = await self._bus.call(message)
        if reply.message_type is MessageType.ERROR:
            text = str(reply.body[0]) if reply.body else ""
            raise CallRefusedError(str(reply.error_name), text)
        return reply

    # -- what goes out --------------------------------------------------------------------

    def answer(self, call: Message, reply: Reply) -> None:
        """Answer a call, if it wants an answer."""
        if not call.flags & MessageFlag.NO_REPLY_EXPECTED:
            self._send(
                Message.new_method_return(
                    call, reply.signature, list(reply.body), list(reply.files)
                ),
                reply.files,
            )

    def refuse(self, call: Message, error: CallRefusedError) -> None:
        """Answer a call with an error."""
        if not call.flags & MessageFlag.NO_REPLY_EXPECTED:
            self._send(
                Message(
                    message_type=MessageType.ERROR,
                    reply_serial=call.serial,
                    destination=call.sender,
                    error_name=error.name,
                    signature="s",
                    body=[error.text],
                )
            )

    def signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        """Tell everybody who asked."""
        self._send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )

    def _send(self, message: Message, files: Sequence[int] = ()) -> None:
        if self._bus is None or not self._bus.connected:
            _close(files)
            return  # nobody is left to hear it
        sent = self._bus.send(message)
        sent.add_done_callback(_noted)
        if files:
            sent.add_done_callback(lambda _: _close(files))


def _close(files: Sequence[int]) -> None:
    for file in files:
        os.close(file)


def _noted(sent: asyncio.Future[None]) -> None:
    # The bus went away with a message half sent; whoever waits for it finds out by itself.
    if not sent.cancelled():
        sent.exception()
