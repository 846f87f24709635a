"""What the bench of ingest loads it with: gateways' messages, sent as fast as a broker takes them,
and processes whose CPU time is counted.

A sender must cost less than what it measures: it knows three packets of MQTT 3.1.1, makes each
message before the clock starts, and reads acknowledgements by their number.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from contract import topics, wire
from contract.clock import SystemClock, now_us
from contract.telemetry import TELEMETRY_SCHEMA, SummaryPoint, TelemetryBatch

HOME: Final = "bench"
GATEWAYS: Final = 10
RESIDENTS_OF_A_GATEWAY: Final = 6
"""Sixty residents: the home of the design."""

SMALL_BYTES: Final = 264
"""A batch of one point, as long as the messages that the peers were measured with."""

BATCH_S: Final = 10
"""Seconds in a gateway's real batch (`edge.telemetry.BATCH_NS`)."""

START_US: Final = now_us(SystemClock()) - 2 * 3_600 * 1_000_000
"""Lately: what is older than a month would be thinned while it is counted."""

_US_PER_S: Final = 1_000_000
_IN_FLIGHT: Final = 500
"""Unacknowledged at a time: enough to keep the broker busy, far below its limit of packet ids."""

_ACKNOWLEDGEMENT_BYTES: Final = 4
_LAST_PACKET_ID: Final = 65_535
_PATIENCE_S: Final = 60.0
"""A broker that acknowledges nothing for so long has died."""


class Packet(NamedTuple):
    """A message to be sent."""

    topic: str
    payload: bytes


def gateway_name(number: int) -> str:
    """The gateway of that number, from 0."""
    return f"gateway-{number + 1:02}"


def resident_name(number: int) -> str:
    """The resident of that number, from 0."""
    return f"resident-{number + 1:02}"


def small_batches(count: int, first: int = 1) -> list[Packet]:
    """So many batches of one point from each gateway in turn, each of `SMALL_BYTES`."""
    return [
        Packet(_topic(batch), wire.encode(batch))
        for batch in _batches(count, first, residents=1, seconds=1)
    ]


def real_batches(count: int, first: int = 1) -> list[Packet]:
    """So many batches as gateways send them: six residents, ten seconds, compressed."""
    return [
        Packet(_topic(batch), wire.compress(wire.encode(batch)))
        for batch in _batches(count, first, residents=RESIDENTS_OF_A_GATEWAY, seconds=BATCH_S)
    ]


def decoded(packets: Iterable[Packet]) -> list[TelemetryBatch]:
    """What the packets say."""
    return [wire.decode(each.payload, TelemetryBatch) for each in packets]


def _topic(batch: TelemetryBatch) -> str:
    return topics.build(batch.home, batch.gateway, topics.TELEMETRY)


def _batches(count: int, first: int, *, residents: int, seconds: int) -> Iterator[TelemetryBatch]:
    for number in range(count):
        gateway, sequence = number % GATEWAYS, first + number // GATEWAYS
        at_us = START_US + sequence * seconds * _US_PER_S
        points = [
            _point(at_us + second * _US_PER_S, gateway * RESIDENTS_OF_A_GATEWAY + who, residents)
            for second in range(seconds)
            for who in range(residents)
        ]
        batch = TelemetryBatch(
            schema=TELEMETRY_SCHEMA,
            home=HOME,
            gateway=gateway_name(gateway),
            session="run",
            sequence=sequence,
            boot="",
            clock="synced",
            sent_at_us=at_us,
            points=points,
        )
        if residents == 1:
            # The name of the boot is what has no length of its own.
            missing = SMALL_BYTES - len(wire.encode(batch))
            batch = TelemetryBatch(
                **{name: getattr(batch, name) for name in batch.__struct_fields__}
                | {"boot": "b" * missing}
            )
        yield batch


def _point(at_us: int, resident: int, residents: int) -> SummaryPoint:
    name = resident_name(resident)
    if residents == 1:
        return SummaryPoint(at_us=at_us, device=name, resident=name, max_g=1.03, battery_percent=80)
    # Figures that differ, as those of a wrist do: equal ones would compress to nothing.
    sway = (at_us // _US_PER_S * 37 + resident * 11) % 997 / 9_970
    return SummaryPoint(
        at_us=at_us,
        device=name,
        resident=name,
        mean_x_g=0.25 + sway,
        mean_y_g=-0.5 + sway / 3,
        mean_z_g=0.8125 - sway / 7,
        min_g=0.97 - sway,
        max_g=1.03 + sway,
        deviation_g=0.0125 + sway / 10,
        worn=True,
        battery_percent=80,
        rssi_dbm=-67,
    )


class Flood:
    """One client of a broker that publishes at QoS 1 and hears nothing; blocking.

    Parameters
    ----------
    port
        Of the broker on 127.0.0.1.
    client_id
        Unique at the broker.
    """

    def __init__(self, port: int, client_id: str) -> None:
        name = client_id.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(name)) + name
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"\x10" + _length(len(body)) + body)
        answer = self._socket.recv(4, socket.MSG_WAITALL)
        if len(answer) < 4 or answer[3] != 0:
            raise ConnectionError(f"the broker said {answer.hex() or 'nothing'} to a CONNECT")
        self._ids = itertools.cycle(range(1, _LAST_PACKET_ID + 1))

    def send(self, packets: Sequence[Packet]) -> None:
        """Publish all, and return when the last is acknowledged.

        Raises
        ------
        ConnectionError
            If the broker ends the session, or stands still.
        """
        ready = [self._publish(each) for each in packets]
        sent = acknowledged = 0
        while acknowledged < len(ready):
            end = min(len(ready), acknowledged + _IN_FLIGHT)
            if end > sent:
                self._socket.sendall(b"".join(ready[sent:end]))
                sent = end
            acknowledged += self._acknowledgements()

    def close(self) -> None:
        """Say goodbye."""
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()

    def abandon(self) -> None:
        """Let go of a session that broke."""
        self._socket.close()

    def _publish(self, packet: Packet) -> bytes:
        topic = packet.topic.encode()
        head = struct.pack("!H", len(topic)) + topic + struct.pack("!H", next(self._ids))
        return b"\x32" + _length(len(head) + len(packet.payload)) + head + packet.payload

    def _acknowledgements(self) -> int:
        """Wait for some, and say how many came."""
        if not select.select([self._socket], [], [], _PATIENCE_S)[0]:
            raise ConnectionError(f"no acknowledgement for {_PATIENCE_S:.0f} s")
        came = self._socket.recv(65_536)
        if not came:
            raise ConnectionError("the broker ended the session")
        rest = -len(came) % _ACKNOWLEDGEMENT_BYTES
        if rest:
            came += self._socket.recv(rest, socket.MSG_WAITALL)
        return len(came) // _ACKNOWLEDGEMENT_BYTES


def _length(number: int) -> bytes:
    """MQTT 3.1.1, 2.2.3: seven bits a byte, the lowest first."""
    written = bytearray()
    while True:
        number, low = divmod(number, 128)
        written.append(low | (0x80 if number else 0))
        if not number:
            return bytes(written)


class Watched:
    """A child process, and what it costs."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                [sys.executable, *words], stdout=subprocess.PIPE, stderr=output
            )
        self._usage = psutil.Process(self._process.pid)

    @property
    def runs(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    def cpu_s(self) -> float:
        """CPU seconds of all its threads, since its start."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        """What it holds of the machine's memory."""
        return int(self._usage.memory_info().rss)

    def line(self) -> str:
        """The next line that it prints; waits for it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def end(self) -> None:
        """End it, at once if it does not want to."""
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def service(name: str, config: Path, number: int = 1) -> Iterator[Watched]:
    """One of our services, as a home runs it."""
    words = ("-m", "wardlight.cli", name, "--config", str(config), "--log", "warning")
    watched = Watched(words, config.with_name(f"{name}-{number}.log"))
    try:
        yield watched
    finally:
        watched.end()


_COUNTER: Final = """\
import asyncio, sys
import aiomqtt

async def main(port, topic_filter, count):
    async with aiomqtt.Client("127.0.0.1", port, identifier="counter") as client:
        await client.subscribe(topic_filter, qos=1)
        print("ready", flush=True)
        seen = 0
        async for _ in client.messages:
            seen += 1
            if seen == count:
                print("all", flush=True)

asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""


@contextmanager
def counter(port: int, count: int, folder: Path) -> Iterator[Watched]:
    """The peer: a bare aiomqtt subscriber that says ``ready``, counts, and says ``all``."""
    topic_filter = topics.build(HOME, topics.ANY, topics.TELEMETRY)
    words = ("-c", _COUNTER, str(port), topic_filter, str(count))
    watched = Watched(words, folder / "counter.log")
    try:
        if watched.line() != "ready":
            raise RuntimeError(f"the counting subscriber did not start: {watched.log.read_text()}")
        yield watched
    finally:
        watched.end()


def write_config(folder: Path, url: str, ingest: dict[str, str]) -> Path:
    """Settings of the home of the bench; `ingest` holds more lines of its table."""
    lines = [
        *("[home]", f'id = "{HOME}"'),
        *("[broker]", f'url = "{url}"'),
        *("[ingest]", f'store = "{folder / "store.sqlite"}"'),
        *(f"{key} = {json.dumps(value)}" for key, value in ingest.items()),
        *("[alerts]", f'database = "sqlite:///{folder / "records.sqlite"}"'),
        *("[[staff]]", 'id = "mei"', 'name = "Mei"', 'role = "care_worker"', 'floor = "1/F"'),
    ]
    for number in range(GATEWAYS):
        zone = f"room-{number + 1:02}"
        lines += ["[[gateways]]", f'name = "{gateway_name(number)}"', f'zone = "{zone}"']
        for resident in range(RESIDENTS_OF_A_GATEWAY):
            name = resident_name(number * RESIDENTS_OF_A_GATEWAY + resident)
            lines += ["[[residents]]", f'id = "{name}"', f'name = "{name}"']
            lines += [f'bed = "1/F {name}"', f'zone = "{zone}"', 'floor = "1/F"']
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "home.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
