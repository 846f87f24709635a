"""The air between processes: a simulated home in one, the gateways that hear it in others.

A gateway that is killed takes nothing of the residents with it: they go on living, and their
wearables remember what they have not been able to tell, as real ones do.

One connection to the socket is one adapter. Frames are a length (4 bytes, big endian) and a
message in MessagePack. Times travel as wall time, which processes that share the origin of a
`ScaledClock` agree on; monotonic clocks begin with their process.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.clock import Clock
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError, Radio, RadioLink
from firmware_sim import SimulatedHome

_LENGTH: Final = struct.Struct(">I")
MAX_FRAME: Final = 1 << 20
"""Far above a second's adverts of a large home; a larger length is no length."""

log = structlog.get_logger(__name__)


class _Begin(msgspec.Struct, frozen=True, tag=True):
    gateway: str


class _Ask(msgspec.Struct, frozen=True, tag=True):
    """Something that is answered under its number; for ``connect`` that of the link."""

    number: int
    what: str
    """``connect``, ``write``, ``notifications`` or ``disconnect``."""
    link: int = 0
    name: str = ""
    """Address or characteristic."""
    data: bytes = b""


class _Answer(msgspec.Struct, frozen=True, tag=True):
    number: int
    lost: str | None = None
    """Why the link is gone, if it is."""


class _Adverts(msgspec.Struct, frozen=True, tag=True):
    heard: list[tuple[str, int, dict[int, bytes], dict[str, bytes], int]]


class _Notified(msgspec.Struct, frozen=True, tag=True):
    link: int
    name: str
    data: bytes
    at_ns: int
    lost: str | None = None
    """Set in the last one: why no more come."""


_Message = _Begin | _Ask | _Answer | _Adverts | _Notified
_DECODER: Final[msgspec.msgpack.Decoder[_Message]] = msgspec.msgpack.Decoder(_Message)


def _send(writer: asyncio.StreamWriter, message: _Message) -> None:
    if writer.is_closing():
        return  # whoever reads finds out
    payload = msgspec.msgpack.encode(message)
    writer.write(_LENGTH.pack(len(payload)) + payload)


async def _receive(reader: asyncio.StreamReader) -> _Message:
    """The next message.

    Raises
    ------
    OSError
        If the other end is gone, or sent what is no message.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_FRAME:
            raise ConnectionError(f"a frame of {length} bytes")
        return _DECODER.decode(await reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("the other end is gone") from error
    except msgspec.DecodeError as error:
        raise ConnectionError(f"no message: {error}") from error


def _monotonic_to_wall_ns(clock: Clock) -> int:
    return clock.now_ns() - clock.monotonic_ns()


class AirServer:
    """Lets gateways in other processes hear a simulated home.

    Parameters
    ----------
    simulation
        Which runs in this process, on `clock`.
    path
        Of the socket; made at `start`.
    """

    def __init__(self, simulation: SimulatedHome, clock: Clock, path: Path) -> None:
        self._simulation = simulation
        self._clock = clock
        self._path = path
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; raises `OSError` if that cannot be."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    async def stop(self) -> None:
        """Let every gateway go."""
        if self._server is None:
            return
        self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server calls this in a task"
        self._served.add(task)
        try:
            begin = await _receive(reader)
            if not isinstance(begin, _Begin):
                raise ConnectionError("a gateway says its name first")
            radio = self._simulation.radio(begin.gateway)
            await _Adapter(radio, self._clock, reader, writer).serve()
        except asyncio.CancelledError:
            pass  # of `stop`; asyncio's server would log it as an error
        except (OSError, ValueError) as error:
            log.info("gateway_gone", reason=str(error))
        finally:
            self._served.discard(task)
            writer.close()


class _Adapter:
    """One gateway's connection, and the radio behind it."""

    def __init__(
        self,
        radio: Radio,
        clock: Clock,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._radio = radio
        self._clock = clock
        self._reader = reader
        self._writer = writer
        self._links: dict[int, RadioLink] = {}

    async def serve(self) -> None:
        """Until the gateway is gone; its links end with it."""
        tasks: set[asyncio.Task[None]] = {asyncio.create_task(self._tell_adverts())}
        try:
            while True:
                ask = await _receive(self._reader)
                if not isinstance(ask, _Ask):
                    raise ConnectionError("only questions come from a gateway")
                task = asyncio.create_task(self._answer(ask))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            await self._radio.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell_adverts(self) -> None:
        async for batch in self._radio.adverts():
            offset_ns = _monotonic_to_wall_ns(self._clock)
            heard = [
                (
                    each.address,
                    each.rssi_dbm,
                    dict(each.manufacturer_data),
                    dict(each.service_data),
                    each.received_ns + offset_ns,
                )
                for each in batch
            ]
            _send(self._writer, _Adverts(heard))

    async def _answer(self, ask: _Ask) -> None:
        lost: str | None = None
        try:
            if ask.what == "connect":
                self._links[ask.number] = await self._radio.connect(ask.name)
            else:
                await self._use_link(ask)
        except LinkLostError as error:
            lost = str(error)
        _send(self._writer, _Answer(ask.number, lost))

    async def _use_link(self, ask: _Ask) -> None:
        link = self._links.get(ask.link)
        if link is None:
            raise LinkLostError("there is no such link")
        match ask.what:
            case "write":
                await link.write(ask.name, ask.data)
            case "notifications":
                # Answered when it ends; what comes until then goes its own way.
                await self._tell_notifications(ask, link.notifications(ask.name))
            case _:
                await link.disconnect()
                del self._links[ask.link]

    async def _tell_notifications(
        self, ask: _Ask, notifications: AsyncIterator[tuple[bytes, int]]
    ) -> None:
        try:
            async for data, at_ns in notifications:
                wall_ns = at_ns + _monotonic_to_wall_ns(self._clock)
                _send(self._writer, _Notified(ask.link, ask.name, data, wall_ns))
        except LinkLostError as error:
            _send(self._writer, _Notified(ask.link, ask.name, b"", 0, str(error)))
            raise


class RemoteRadio:
    """An adapter whose air is in another process; implements `contract.protocols.Radio`.

    Parameters
    ----------
    path
        Socket of the `AirServer`.
    gateway
        Where in the home this adapter is.
    clock
        Shares its wall time with the server's.
    """

    def __init__(self, path: Path, gateway: str, clock: Clock) -> None:
        self._path = path
        self._gateway = gateway
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = 0
        self._answers: dict[int, asyncio.Future[str | None]] = {}
        self._queues: dict[tuple[int, str], _Notifications] = {}

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        reader, self._writer = await asyncio.open_unix_connection(self._path)
        _send(self._writer, _Begin(self._gateway))
        batches: asyncio.Queue[Sequence[HeardAdvert]] = asyncio.Queue()
        # Answers are read also while somebody is busy with adverts, and waits for one.
        reading = asyncio.create_task(self._read(reader, batches))
        try:
            while not reading.done():
                coming = asyncio.create_task(batches.get())
                await asyncio.wait({reading, coming}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield coming.result()
                else:
                    coming.cancel()
            reading.result()
        finally:
            reading.cancel()
            self._let_go("the simulated air is gone")

    async def _read(
        self, reader: asyncio.StreamReader, batches: asyncio.Queue[Sequence[HeardAdvert]]
    ) -> None:
        while True:
            message = await _receive(reader)
            if isinstance(message, _Adverts):
                offset_ns = _monotonic_to_wall_ns(self._clock)
                batches.put_nowait(
                    [
                        HeardAdvert(address, rssi, ours, theirs, wall_ns - offset_ns)
                        for address, rssi, ours, theirs, wall_ns in message.heard
                    ]
                )
            else:
                self._take(message)

    async def connect(self, address: str) -> RadioLink:
        return _RemoteLink(self, await self._ask("connect", name=address))

    async def close(self) -> None:
        self._let_go("the radio was closed")

    def troubles(self) -> Sequence[AdapterTrouble]:
        return ()

    # -- for the links --------------------------------------------------------------------

    async def use(self, link: int, what: str, name: str = "", data: bytes = b"") -> None:
        """Ask for something about a link and wait for the answer."""
        await self._ask(what, link=link, name=name, data=data)

    def notifications(self, link: int, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        """Subscribe."""
        queue = self._queues[link, characteristic] = _Notifications()
        self._write("notifications", link=link, name=characteristic)
        return queue

    async def _ask(self, what: str, *, link: int = 0, name: str = "", data: bytes = b"") -> int:
        number = self._write(what, link=link, name=name, data=data)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            lost = await answer
        finally:
            self._answers.pop(number, None)
        if lost is not None:
            raise LinkLostError(lost)
        return number

    def _write(self, what: str, *, link: int, name: str, data: bytes = b"") -> int:
        if self._writer is None:
            raise LinkLostError("the simulated air is gone")
        self._numbers += 1
        _send(self._writer, _Ask(self._numbers, what, link, name, data))
        return self._numbers

    def _take(self, message: _Message) -> None:
        if isinstance(message, _Answer):
            answer = self._answers.get(message.number)
            if answer is not None and not answer.done():
                answer.set_result(message.lost)
        elif isinstance(message, _Notified):
            queue = self._queues.get((message.link, message.name))
            if queue is None:
                return
            if message.lost is not None:
                queue.end(message.lost)
            else:
                queue.put((message.data, message.at_ns - _monotonic_to_wall_ns(self._clock)))

    def _let_go(self, reason: str) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(reason)
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            queue.end(reason)


class _RemoteLink:
    """A held link; implements `contract.protocols.RadioLink`."""

    def __init__(self, radio: RemoteRadio, number: int) -> None:
        self._radio = radio
        self._number = number

    async def write(self, characteristic: str, data: bytes) -> None:
        await self._radio.use(self._number, "write", characteristic, data)

    async def read(self, characteristic: str) -> bytes:
        raise LinkLostError(f"a simulated wearable has no {characteristic} to read")

    def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        return self._radio.notifications(self._number, characteristic)

    async def disconnect(self) -> None:
        with suppress(LinkLostError):  # then it is gone, as asked
            await self._radio.use(self._number, "disconnect")


class _Notifications:
    """What has come on one characteristic; an asynchronous iterator for one reader."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._lost: str | None = None
        self._changed = asyncio.Event()

    def put(self, notification: tuple[bytes, int]) -> None:
        self._waiting.append(notification)
        self._changed.set()

    def end(self, reason: str) -> None:
        self._lost = reason
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[tuple[bytes, int]]:
        return self

    async def __anext__(self) -> tuple[bytes, int]:
        while not self._waiting:
            if self._lost is not None:
                raise LinkLostError(self._lost)
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
