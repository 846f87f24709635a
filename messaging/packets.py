"""Fewer calls to the system for each packet of a paho client (2.x).

paho asks the system for the first byte of a packet, for each byte of its length and for the
rest, waits anew for each packet, and sends each acknowledgement alone: a dozen calls for a
message of 264 bytes, half of all that ingest spends on it. Here one call reads all that
has come, and acknowledgements that wait in a row go out as one.
"""

from __future__ import annotations

from typing import Any, Final

import paho.mqtt.client as paho

READ_BYTES: Final = 64 * 1024
"""Read at one time: some 200 small messages, 5 ms of work, before others have their turn. More
than a TLS record (16 kB): nothing is left inside the TLS layer, of which no poll would tell."""

_PACKET_TYPE: Final = 0xF0


class PacketReader:
    """Feeds a paho client from memory; for one connection.

    Parameters
    ----------
    client
        Not connected yet, and read by `read` alone from now on.
    """

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._receive = client._sock_recv  # noqa: SLF001 - what paho offers for it reads one packet
        self._came = b""
        self._at = 0
        self._may_receive = False
        client._sock_recv = self._take  # type: ignore[assignment]  # noqa: SLF001

    def read(self) -> None:
        """Handle what has come, at most `READ_BYTES`; for a loop that says there is something."""
        self._may_receive = True
        self._client.loop_read()
        while self._at < len(self._came) and self._client.socket() is not None:
            self._client.loop_read()

    def _take(self, size: int) -> bytes:
        """What paho takes for the socket's own."""
        if self._at >= len(self._came):
            if not self._may_receive:
                raise BlockingIOError  # a packet's rest, which is still on its way
            self._may_receive = False
            self._came, self._at = self._receive(READ_BYTES), 0
        start = self._at
        self._at = min(start + size, len(self._came))
        return self._came[start : self._at]


def join_acknowledgements(client: paho.Client) -> None:
    """Make one packet of each row of acknowledgements that wait to be sent.

    Only by the thread that sends.
    """
    waiting: Any = client._out_packet  # noqa: SLF001 - a deque of dicts
    joined: list[Any] = []
    while waiting:
        packet = waiting.popleft()
        if joined and _is_whole_acknowledgement(packet) and _is_whole_acknowledgement(joined[-1]):
            joined[-1]["packet"] += packet["packet"]
            joined[-1]["to_process"] += packet["to_process"]
        else:
            joined.append(packet)
    waiting.extend(joined)


def _is_whole_acknowledgement(packet: Any) -> bool:
    return bool(packet["command"] & _PACKET_TYPE == paho.PUBACK and packet["pos"] == 0)
