"""Reading and acknowledging many packets with one call to the system, on a real broker."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import SystemClock, within
from contract.protocols import Message
from messaging import Mosquitto, MqttBus, packets
from messaging.packets import PacketReader, join_acknowledgements

CLOCK = SystemClock()
LIMIT_S = 60.0


@pytest.mark.parametrize("read_bytes", [1, 7, packets.READ_BYTES])
def test_messages_of_every_length_come_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int
) -> None:
    monkeypatch.setattr(packets, "READ_BYTES", read_bytes)
    lengths = (0, 1, 100, 127, 128, 16_383, 16_384) + ((200_000, 3) if read_bytes > 7 else ())
    sent = [os.urandom(length) for length in lengths]
    came: list[bytes] = []
    all_came = asyncio.Event()

    async def hear(messages: Sequence[Message]) -> None:
        came.extend(message.payload for message in messages)
        if len(came) == len(sent):
            all_came.set()

    async def main() -> None:
        broker = Mosquitto(tmp_path / "broker", CLOCK)
        await broker.start()
        subscribed = asyncio.Event()

        async def on_connected() -> None:
            subscribed.set()

        bus = MqttBus(broker.url, "reader", CLOCK)
        running = asyncio.create_task(bus.run(["a/b"], hear, on_connected))
        try:
            await within(CLOCK, LIMIT_S, subscribed.wait())
            for payload in sent:
                await within(CLOCK, LIMIT_S, bus.publish("a/b", payload))
            await within(CLOCK, LIMIT_S, all_came.wait())
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            broker.kill()

    asyncio.run(main())
    assert came == sent


def test_one_call_reads_what_has_come_and_no_more_is_asked_for() -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    asked: list[int] = []

    def receive(size: int) -> bytes:
        asked.append(size)
        return b"abcdef"

    client._sock_recv = receive  # type: ignore[assignment]
    reader = PacketReader(client)
    with pytest.raises(BlockingIOError):
        client._sock_recv(1)  # nobody said that there is something to read
    reader._may_receive = True
    assert [client._sock_recv(size) for size in (1, 2, 9)] == [b"a", b"bc", b"def"]
    with pytest.raises(BlockingIOError):
        client._sock_recv(1)
    assert asked == [packets.READ_BYTES]


def a_packet(kind: int, body: bytes, position: int) -> dict[str, Any]:
    return {"command": kind, "packet": bytearray(body), "pos": position, "to_process": len(body)}


KINDS = st.sampled_from([paho.PUBACK, paho.PUBLISH | 2, paho.SUBSCRIBE | 2, paho.PINGREQ])


@given(st.lists(st.tuples(KINDS, st.binary(min_size=1, max_size=4), st.integers(0, 1))))
def test_joining_changes_no_byte_and_only_acknowledgements(
    described: list[tuple[int, bytes, int]],
) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client._out_packet.extend(a_packet(*each) for each in described)  # type: ignore[misc]
    join_acknowledgements(client)
    left = list(client._out_packet)
    assert b"".join(each["packet"] for each in left) == b"".join(body for _, body, _ in described)
    others = [each for each in left if each["command"] != paho.PUBACK]
    assert [bytes(each["packet"]) for each in others] == [
        body for kind, body, _ in described if kind != paho.PUBACK
    ]
    for before, after in itertools.pairwise(left):
        both = before["command"] == after["command"] == paho.PUBACK
        assert not (both and before["pos"] == after["pos"] == 0), "a row that was not joined"
    assert all(each["to_process"] == len(each["packet"]) for each in left)
