"""Links to wearables: few, given to whoever needs one most, and shared by their users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, runtime_checkable

import structlog

from contract.clock import Clock
from contract.gatt import CONTROL_UUID, Operation, encode_command
from contract.protocols import LinkLostError, Radio, RadioLink
from contract.units import NS_PER_S, seconds_to_ns
from edge.calls import LimitedLink, called
from edge.slots import Need, Slot, SlotQueue, Want, most_streams
from edge.waiting import WaitedTooLongError, within

_log = structlog.get_logger(__name__)

MAX_LINKS: Final = 7
"""What a Raspberry Pi's adapter holds stably (DESIGN 4). A radio of several adapters says itself
how many it holds (`CountsSlots`)."""

MAX_STREAMS: Final = most_streams(MAX_LINKS)
"""Of those, what may be held all day."""

CONNECT_LIMIT_S: Final = 15.0
"""A call of BlueZ may never return (``InProgress``, FIELD); bleak gives up after 10 s itself, so
beyond 15 s nothing will come."""

PATIENCE_S: Final = 30.0
"""How long a write waits for a free slot. A wearable says again each second what is to be written
back, and nobody waits on the floor for a vibration that comes later."""

WRITE: Final = Want(Need.WRITE)


@runtime_checkable
class CountsSlots(Protocol):
    """A radio that knows how many links it can hold now."""

    @property
    def slots(self) -> int:
        """Of all adapters that work."""
        ...


class Linkable(Protocol):
    """What a link can be made to."""

    @property
    def device(self) -> str:
        """Stays the same."""
        ...

    @property
    def address(self) -> str:
        """Where it was last heard; may change, also while a link stands."""
        ...


class _SharedLink:
    """A link with the number of those who use it."""

    __slots__ = ("link", "slot", "users")

    def __init__(self, link: RadioLink, slot: Slot) -> None:
        self.link = link
        self.slot = slot
        self.users = 0


class _Place:
    """One device: at most one link stands, and at most one call makes or ends it."""

    __slots__ = ("busy", "guests", "shared", "slot")

    def __init__(self) -> None:
        self.guests = 0
        """Users, and those who want to be."""
        self.shared: _SharedLink | None = None
        self.busy: asyncio.Event | None = None
        """Set when the link that is being made or ended is made or ended."""
        self.slot: Slot | None = None
        """With which it is being made."""


class LinkPool:
    """All links of one radio; a wearable has at most one, which its users share."""

    def __init__(self, radio: Radio, clock: Clock) -> None:
        self._radio = radio
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._slots = SlotQueue(self._total)
        self._closing: set[asyncio.Task[None]] = set()
        self._streams_rest_until_ns = 0

    def _total(self) -> int:
        return self._radio.slots if isinstance(self._radio, CountsSlots) else MAX_LINKS

    @property
    def count(self) -> int:
        """Links that stand now."""
        return sum(place.shared is not None for place in self._places.values())

    @property
    def free(self) -> int:
        """Slots that nobody holds."""
        return max(self._total() - self._slots.held, 0)

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return self._slots.waiting

    def look(self) -> None:
        """Once a second: an adapter may have come back."""
        self._slots.look()

    def room_for_streams(self) -> int:
        """How many links that are to be held all day may be begun now."""
        is_resting = self._clock.monotonic_ns() < self._streams_rest_until_ns
        return 0 if is_resting else self._slots.room_for_streams()

    def rest_streams(self, seconds: float) -> None:
        """Begin none for so long: links keep the adapter from hearing the others."""
        self._streams_rest_until_ns = self._clock.monotonic_ns() + seconds_to_ns(seconds)

    def should_make_way(self, device: Linkable, want: Want) -> bool:
        """Whether somebody who needs it more would have the slot of this link, were it let go."""
        place = self._places.get(device.device)
        return place is not None and place.guests == 1 and self._slots.beats(want)

    @asynccontextmanager
    async def link(
        self,
        device: Linkable,
        want: Want = WRITE,
        *,
        patience_s: float = PATIENCE_S,
        on_wanted: Callable[[], None] | None = None,
    ) -> AsyncIterator[RadioLink]:
        """The link to `device`, made if there is none; let go by its last user.

        Parameters
        ----------
        device
            A wearable; two with the same name are one.
        want
            What for; who needs it most is next.
        patience_s
            How long to wait for a slot, and for whoever is making or ending a link to it now.
        on_wanted
            Called when a window waits for a slot: the user should let go.

        Raises
        ------
        LinkLostError
            If no slot is free in time, it does not come up, or is lost while it is used.
        """
        place = self._places.setdefault(device.device, _Place())
        place.guests += 1
        try:
            shared = await self._acquire(device, place, want, patience_s, on_wanted)
            shared.users += 1
            try:
                yield shared.link
            except LinkLostError:
                # Nobody shall be handed a dead link.
                if place.shared is shared:
                    place.shared = None
                raise
            finally:
                shared.users -= 1
                if shared.users == 0:
                    await self._let_go(device.device, place, shared)
        finally:
            place.guests -= 1
            self._forget(device.device, place)

    def _forget(self, name: str, place: _Place) -> None:
        """Devices come and go: those that nobody wants any more are forgotten."""
        is_idle = place.guests == 0 and place.busy is None
        if is_idle and self._places.get(name) is place:
            del self._places[name]

    async def write(self, device: Linkable, operation: Operation, *arguments: int) -> None:
        """Write one command to a wearable; raises `LinkLostError`."""
        async with self.link(device) as link:
            await self.write_on(link, operation, *arguments)

    async def write_on(self, link: RadioLink, operation: Operation, *arguments: int) -> None:
        """Write one command on a link that is held; raises `LinkLostError`."""
        await link.write(CONTROL_UUID, encode_command(operation, *arguments))

    async def _acquire(
        self,
        device: Linkable,
        place: _Place,
        want: Want,
        patience_s: float,
        on_wanted: Callable[[], None] | None,
    ) -> _SharedLink:
        until_ns = self._clock.monotonic_ns() + seconds_to_ns(patience_s)
        while place.shared is None and place.busy is not None:
            if place.slot is not None:
                self._slots.hurry(place.slot, want)
            await self._wait(place.busy.wait(), until_ns, "another user's link")
        if place.shared is not None:
            if want.need is Need.STREAM:
                # It will be held when the window that it was made for has been read.
                place.shared.slot.want = want
            return place.shared
        busy = place.busy = asyncio.Event()
        slot = place.slot = self._slots.enter(want, on_wanted)
        try:
            await self._wait(slot.granted(), until_ns, "a free link")
            place.shared = _SharedLink(await self._connect(device.address), slot)
            return place.shared
        finally:
            if place.shared is None:
                self._slots.release(slot)
            place.slot = place.busy = None
            busy.set()

    async def _wait(self, work: Awaitable[object], until_ns: int, what: str) -> None:
        left_s = max(until_ns - self._clock.monotonic_ns(), 0) / NS_PER_S
        try:
            await within(self._clock, left_s, work, what)
        except WaitedTooLongError as error:
            raise LinkLostError(f"no link: {error}") from error

    async def _connect(self, address: str) -> RadioLink:
        """A link; one that comes up when nobody waits for it any more is let go again."""
        came: list[RadioLink] = []
        is_given_up = False

        async def connect() -> RadioLink:
            link = LimitedLink(await self._radio.connect(address), self._clock)
            if is_given_up:
                await link.disconnect()
            came.append(link)
            return link

        try:
            return await called(self._clock, CONNECT_LIMIT_S, connect(), "a connection")
        except BaseException:
            is_given_up = True
            for link in came:
                self._close(link.disconnect())
            raise

    async def _let_go(self, name: str, place: _Place, shared: _SharedLink) -> None:
        """Disconnect, and only then give the slot back: the adapter holds the link until then."""
        busy: asyncio.Event | None = None
        if place.shared is shared:
            place.shared = None
            busy = place.busy = asyncio.Event()

        async def disconnect() -> None:
            try:
                await shared.link.disconnect()
            finally:
                self._slots.release(shared.slot)
                if busy is not None:
                    place.busy = None
                    busy.set()
                    self._forget(name, place)

        # Whoever is cancelled here leaves it to end by itself.
        await asyncio.shield(self._close(disconnect()))

    def _close(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(ending)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task
