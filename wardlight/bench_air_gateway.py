"""The gateway that ``./run bench air`` measures: as a home runs it, with a watch at its radio.

Prints a line of JSON for each packet of a window once the gateway is done with it: the packet is
on its grid, and the detector has seen it, when it asks for the next.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from contract.clock import Clock, now_us
from contract.gatt import WINDOW_UUID
from contract.packets import decode_packet
from contract.protocols import Radio, RadioLink
from wardlight.logs import set_up_logs
from wardlight.services import run_gateway, run_until_stopped
from wardlight.settings import Settings, load_settings


class _TimedLink:
    """A link whose window packets are noted; everything else passes."""

    def __init__(self, link: RadioLink, address: str, clock: Clock) -> None:
        self._link = link
        self._address = address
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        async for payload, arrived_ns in self._link.notifications(characteristic):
            yield payload, arrived_ns
            if characteristic == WINDOW_UUID:
                self._note(payload)

    def _note(self, payload: bytes) -> None:
        packet = decode_packet(payload)
        line = {
            "address": self._address,
            "candidate": packet.candidate_counter,
            "number": packet.number,
            "samples": packet.samples_g.shape[1],
            "rate_hz": packet.rate_hz,
            "at_us": now_us(self._clock),
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class _TimedRadio:
    """A radio whose links are timed; everything else passes."""

    def __init__(self, radio: Radio, clock: Clock) -> None:
        self._radio = radio
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._radio, name)

    async def connect(self, address: str) -> RadioLink:
        link: Any = _TimedLink(await self._radio.connect(address), address, self._clock)
        timed: RadioLink = link
        return timed


def _wrap(radio: Radio, clock: Clock, _truth: Sequence[Any]) -> Radio:
    timed: Any = _TimedRadio(radio, clock)
    wrapped: Radio = timed
    return wrapped


async def _run(settings: Settings) -> None:
    await run_gateway(settings, wrap_radio=_wrap)


if __name__ == "__main__":
    set_up_logs("info")
    sys.exit(run_until_stopped(_run, load_settings(Path(sys.argv[1]))))
