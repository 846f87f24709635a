"""Ten thousand notifications a second through BlueZ's D-Bus: none missing, each device in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from contract.clock import SystemClock
from contract.units import NS_PER_S, ns_to_seconds, seconds_to_ns
from firmware_sim.bluez import Advert, Characteristic, FakeBluez, Gadgets, Service
from firmware_sim.wearable import Central
from wardlight.bench_load import Watched
from wardlight.logs import set_up_logs

Row = dict[str, Any]

CLOCK: Final = SystemClock()
DEVICES: Final = 7
"""As many links as an adapter holds well."""
RATE_PER_S: Final = 10_000
SECONDS: Final = 60.0
PAYLOAD_BYTES: Final = 166
"""A packet of half a second at 50 Hz."""
LEAST_SENT: Final = 0.9
"""Of what should be sent: with less, that nothing was lost says little."""
TICK_S: Final = 0.01
"""As a connection event brings several at once."""

FLOW: Final = "7a8b00f2-5d2e-4c63-9e0a-3f1c5b2d7e10"
BEGIN: Final = "7a8b00f1-5d2e-4c63-9e0a-3f1c5b2d7e10"
_NUMBER_BYTES: Final = 4
_LAST: Final = b"\xff" * _NUMBER_BYTES
"""In the place of a number: no more come."""


class _Spring:
    """A gadget that notifies numbers at a rate once it was written to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.interval_s = 0.5
        self.rssi_dbm = -60.0
        self.services: Sequence[Service] = (
            Service(
                "180f",
                (Characteristic(FLOW, ("notify",)), Characteristic(BEGIN, ("write",))),
            ),
        )
        self._task: asyncio.Task[None] | None = None

    def advert(self, now_ns: int) -> Advert | None:
        return Advert({0xFFFF: b"flow"})

    def accept(self, link: Central) -> bool:
        return True

    def release(self, link: Central) -> None:
        if self._task is not None:
            self._task.cancel()

    def read(self, characteristic: str) -> bytes:
        raise KeyError(characteristic)

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        self._task = asyncio.create_task(self._flow(link))

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        """It waits until it is written to."""

    async def _flow(self, link: Central) -> None:
        rest = bytes(PAYLOAD_BYTES - _NUMBER_BYTES)
        began_ns, sent = CLOCK.monotonic_ns(), 0
        end_ns = began_ns + seconds_to_ns(SECONDS)
        while (now_ns := CLOCK.monotonic_ns()) < end_ns:
            due = (now_ns - began_ns) * RATE_PER_S // DEVICES // NS_PER_S
            for number in range(sent, due):
                link.notify(FLOW, number.to_bytes(_NUMBER_BYTES, "little") + rest, now_ns)
            sent = max(sent, due)
            await CLOCK.sleep(TICK_S)
        link.notify(FLOW, _LAST + sent.to_bytes(_NUMBER_BYTES, "little"), now_ns)


async def _serve() -> None:
    """The fake's process: says its address, ends when it is told to."""
    springs = [_Spring(f"C0:DE:5A:03:00:{number:02X}") for number in range(DEVICES)]
    async with FakeBluez(CLOCK, {"hci0": [Gadgets(CLOCK, springs)]}) as bluez:
        sys.stdout.write(json.dumps({"address": bluez.address}) + "\n")
        sys.stdout.flush()
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


class _Taken:
    """What came of one device."""

    def __init__(self) -> None:
        self.next = 0
        self.missing = 0
        self.disordered = 0
        self.sent = 0

    def take(self, payload: bytes) -> bool:
        """One notification; whether it was the last."""
        head = payload[:_NUMBER_BYTES]
        if head == _LAST:
            self.sent = int.from_bytes(payload[_NUMBER_BYTES:], "little")
            self.missing += self.sent - self.next
            return True
        number = int.from_bytes(head, "little")
        if number < self.next:
            self.disordered += 1
        else:
            self.missing += number - self.next
            self.next = number + 1
        return False


async def _take() -> None:
    """The gateway's process: its radio, and nothing behind it."""
    from edge.radio.bluez import BluezRadio

    radio = BluezRadio(CLOCK)
    found: set[str] = set()
    async for batch in radio.adverts():
        found.update(heard.address for heard in batch)
        if len(found) == DEVICES:
            break
    listening = asyncio.create_task(_listen(radio))
    links = [await radio.connect(address) for address in sorted(found)]
    taken = [_Taken() for _ in links]

    async def read(number: int) -> None:
        coming = links[number].notifications(FLOW)
        first = asyncio.ensure_future(anext(coming))
        # It subscribes when it is first awaited; what is written after that comes after that.
        await CLOCK.sleep(0)
        await links[number].write(BEGIN, b"\x01")
        is_last = taken[number].take((await first)[0])
        while not is_last:
            is_last = taken[number].take((await anext(coming))[0])

    cpu_s, began_ns = sum(os.times()[:2]), CLOCK.monotonic_ns()
    await asyncio.gather(*(read(number) for number in range(len(links))))
    said = {
        "sent": sum(one.sent for one in taken),
        "missing": sum(one.missing for one in taken),
        "disordered": sum(one.disordered for one in taken),
        "seconds": ns_to_seconds(CLOCK.monotonic_ns() - began_ns),
        "cpu_s": sum(os.times()[:2]) - cpu_s,
    }
    listening.cancel()
    await radio.close()
    sys.stdout.write(json.dumps(said) + "\n")


async def _listen(radio: Any) -> None:
    async for _ in radio.adverts():
        pass


def bench_flow() -> list[Row]:
    """Its rows.

    Raises
    ------
    RuntimeError
        If a process did not start.
    """
    with tempfile.TemporaryDirectory(prefix="wardlight-bench-") as folder:
        server = Watched(("-m", "wardlight.bench_air_flow", "serve"), Path(folder) / "air.log")
        try:
            said = server.line()
            if not said:
                raise RuntimeError(f"the air did not start: {server.log.read_text()}")
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = json.loads(said)["address"]
            reader = Watched(("-m", "wardlight.bench_air_flow", "take"), Path(folder) / "take.log")
            try:
                line = reader.line()
                if not line:
                    raise RuntimeError(f"the radio ended: {reader.log.read_text()[-2_000:]}")
                found = json.loads(line)
            finally:
                reader.end()
        finally:
            os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
            server.end()
    return _rows(found)


def _rows(found: dict[str, Any]) -> list[Row]:
    lost = found["missing"] + found["disordered"]
    # On a busy machine the fake and its bus are late as well; the processor's time is ours alone.
    per_cpu_s = (found["sent"] - lost) / found["cpu_s"]
    return [
        {
            "name": "air: notifications sent, and taken in",
            "value": found["sent"] / found["seconds"],
            "unit": "/s",
            "against": f"{RATE_PER_S:,}/s of {DEVICES} devices for {SECONDS:.0f} s",
            "ratio": found["sent"] / found["seconds"] / RATE_PER_S,
            "bar": None,
            "ok": True,
        },
        {
            "name": "air: notifications missing or out of order",
            "value": lost,
            "unit": f"of {found['sent']:,}",
            "against": "none",
            "ratio": lost / found["sent"] if found["sent"] else None,
            "bar": 0.0,
            "ok": lost == 0 and found["sent"] >= LEAST_SENT * RATE_PER_S * SECONDS,
        },
        {
            "name": "air: notifications taken",
            "value": per_cpu_s,
            "unit": "per CPU-second",
            "against": f"{RATE_PER_S:,}",
            "ratio": per_cpu_s / RATE_PER_S,
            "bar": 1.0,
            "ok": per_cpu_s >= RATE_PER_S,
        },
    ]


if __name__ == "__main__":
    set_up_logs("warning")
    asyncio.run({"serve": _serve, "take": _take}[sys.argv[1]]())
