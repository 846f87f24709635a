"""Protocols: the walls between the rooms. Others implement them; nobody imports the other.

`Radio` and `RadioLink` are what a gateway needs of BLE, `Bus` what anyone needs of a broker,
`Store` what ingest needs of a time-series store, `Recording` what replay needs of a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contract.events import Event, FaultCause
from contract.messages import Outcome
from contract.telemetry import TelemetryBatch


class HeardAdvert(NamedTuple):
    """An advert as a radio reports it."""

    address: str
    """Upper case with colons."""
    rssi_dbm: int
    manufacturer_data: Mapping[int, bytes]
    """By company id."""
    service_data: Mapping[str, bytes]
    """By service UUID."""
    received_ns: int
    """The gateway's monotonic clock."""
    local_name: str = ""
    """As the device calls itself, if it does."""
    service_uuids: Sequence[str] = ()
    """Services that it says it has."""
    receiver: str = ""
    """Who heard it, where that is no adapter of this gateway: the name of a proxy."""


class AdapterTrouble(NamedTuple):
    """An adapter, or a proxy, that hears nothing or cannot be used."""

    cause: FaultCause
    adapter: str
    """``hci0``, or the name of a proxy."""
    detail: str
    """What is wrong, what has been tried, and what a person can do: one sentence. It changes
    with each thing that is tried."""


class LinkLostError(ConnectionError):
    """The BLE link is gone, or never came up; the reason is the message."""


class RadioLink(Protocol):
    """A held BLE connection. Every call raises `LinkLostError` when it is gone."""

    async def write(self, characteristic: str, data: bytes) -> None:
        """Write with response."""
        ...

    async def read(self, characteristic: str) -> bytes:
        """Read a value."""
        ...

    def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        """Subscribe; yields payloads with the monotonic time (ns) of their arrival."""
        ...

    async def disconnect(self) -> None:
        """Let go; never raises."""
        ...


class Radio(Protocol):
    """The BLE adapters of a gateway, or what stands for them."""

    def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        """Adverts in batches, as they come; ends when the radio is closed."""
        ...

    async def connect(self, address: str) -> RadioLink:
        """Open a link; raises `LinkLostError`."""
        ...

    async def close(self) -> None:
        """Stop scanning and drop all links."""
        ...

    def troubles(self) -> Sequence[AdapterTrouble]:
        """What stands now; empty while all is well."""
        ...


class Message(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool = False


class LastWill(NamedTuple):
    """What the broker publishes (QoS 1, retained) when this client is gone."""

    topic: str
    payload: bytes


class NotConnectedError(ConnectionError):
    """There is no broker at the moment; the message was not handed over."""


class PublishRefusedError(RuntimeError):
    """The broker refused a message (an ACL, a quota, a malformed topic); the reason is said."""


class Bus(Protocol):
    """A client of a broker that reconnects by itself.

    QoS 1 and clean sessions throughout: nothing relies on the broker's queues (DESIGN 4).
    """

    @property
    def connected(self) -> bool:
        """Whether a session stands now."""
        ...

    @property
    def shed(self) -> int:
        """Messages that came faster than they were taken and were let go, since the start.

        What needs a receipt comes again.
        """
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 and wait for the broker's acknowledgement.

        Raises
        ------
        NotConnectedError
            If there is no session, or it broke before the acknowledgement.
        PublishRefusedError
            If the broker said no.
        """
        ...

    async def run(
        self,
        filters: Sequence[str],
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None = None,
        will: Callable[[], LastWill] | None = None,
    ) -> None:
        """Stay connected until cancelled.

        Parameters
        ----------
        filters
            Subscribed to at each connect.
        on_messages
            Called with everything that has come since its last call, in order, never
            concurrently. What it raises ends `run`.
        on_connected
            Called after the subscriptions stand, at each connect: the place to republish.
        will
            Asked for the last will before each connect.
        """
        ...


class WriteOutcome(NamedTuple):
    """What a store did with one message."""

    outcome: Outcome
    reason: str | None = None


class StoreUnavailableError(RuntimeError):
    """The store cannot write now (full disk, server down); try again later."""


class Store(Protocol):
    """A time-series store. Writing twice is the same as writing once."""

    @property
    def durable(self) -> bool:
        """Whether a returned `write` survives kill -9 of the store."""
        ...

    async def write(
        self, events: Sequence[Event], batches: Sequence[TelemetryBatch], received_at_us: int
    ) -> tuple[list[WriteOutcome], list[WriteOutcome]]:
        """Write, and say what became of each event and each batch.

        Raises
        ------
        StoreUnavailableError
            If nothing was written; the caller gives no receipt.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class RecordedStream(NamedTuple):
    """Motion of one wearable from a recording."""

    trial: str
    subject: str | None
    placement: str
    rate_hz: float
    samples_g: NDArray[np.float32]
    """Shape (3, samples), in g; NaN where the recording has a hole."""
    labels: Mapping[str, object]
    """What the authors say of it (activity, is_fall, marks). For scoring only; nothing that
    detects may read it."""


class Recording(Protocol):
    """A file or folder of recorded motion."""

    def trials(self) -> Iterator[RecordedStream]:
        """All of it, in a fixed order."""
        ...
