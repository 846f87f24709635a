from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.advert import COMPANY_ID, WearableAdvert, decode_manufacturer_data
from contract.clock import VirtualClock
from contract.gatt import CONTROL_UUID, STREAM_UUID, WINDOW_UUID, Operation, encode_command
from contract.packets import MotionPacket, decode_packet
from contract.protocols import HeardAdvert, Radio, RecordedStream
from firmware_sim import HomePlan, SimulatedHome, demo_home

PROJECT = Path(__file__).parents[2]
DATA = PROJECT.parent / "shared" / "data"


class Ear:
    """Listens to a radio and keeps what it hears, decoded."""

    def __init__(self, radio: Radio) -> None:
        self.radio = radio
        self.heard: list[HeardAdvert] = []

    async def listen(self) -> None:
        async for batch in self.radio.adverts():
            self.heard.extend(batch)

    def decoded(self, address: str | None = None) -> list[WearableAdvert]:
        return [
            decode_manufacturer_data(advert.manufacturer_data[COMPANY_ID])
            for advert in self.heard
            if address in (None, advert.address)
        ]


class Stage:
    """A simulated home on a virtual clock, with a listener at each gateway."""

    def __init__(self, plan: HomePlan | None = None, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.plan = plan or demo_home()
        self.home = SimulatedHome(self.plan, self.clock, seed)
        self.ears = {
            gateway.name: Ear(self.home.radio(gateway.name)) for gateway in self.plan.gateways
        }

    def play(self, scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
        async def main() -> None:
            work: list[Awaitable[None]] = [
                self.home.run(),
                *(e.listen() for e in self.ears.values()),
            ]
            tasks = [asyncio.ensure_future(job) for job in work]
            await asyncio.sleep(0)
            try:
                await scene(self)
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in ended), ended

        self.clock.run(main())
        return self

    def address(self, resident: str) -> str:
        return self.plan.wearable_of(resident).address

    def adverts(self, resident: str, gateway: str = "gateway-a") -> list[WearableAdvert]:
        return self.ears[gateway].decoded(self.address(resident))

    async def until(self, true: Callable[[], bool], *, within_s: float) -> None:
        end_ns = self.clock.monotonic_ns() + int(within_s * 1e9)
        while not true():
            assert self.clock.monotonic_ns() < end_ns, f"not within {within_s} s of virtual time"
            await self.clock.sleep(0.25)


async def request_window(radio: Radio, address: str, candidate: int, first_packet: int = 0) -> Any:
    """A link on which a window's packets will come, as (link, iterator)."""
    link = await radio.connect(address)
    packets = link.notifications(WINDOW_UUID)
    await link.write(
        CONTROL_UUID, encode_command(Operation.REQUEST_WINDOW, candidate, first_packet)
    )
    return link, packets


async def stream(radio: Radio, address: str, count: int) -> list[tuple[MotionPacket, int]]:
    """The first `count` packets of a held stream, with their arrival."""
    link = await radio.connect(address)
    packets = link.notifications(STREAM_UUID)
    await link.write(CONTROL_UUID, encode_command(Operation.START_STREAM))
    result = []
    async for payload, at_ns in packets:
        result.append((decode_packet(payload), at_ns))
        if len(result) == count:
            await link.disconnect()
            break
    return result


def recorded(
    seconds: float = 6.0, rate_hz: float = 50.0, *, trial: str = "t-1", impact: bool = True
) -> RecordedStream:
    """A made-up recording: rest, one pulse of 6 g in its middle, rest in another posture."""
    count = round(seconds * rate_hz)
    samples = np.zeros((3, count), np.float32)
    samples[2, : count // 2] = 1.0
    samples[0, count // 2 :] = 1.0
    if impact:
        samples[0, count // 2 : count // 2 + max(2, round(0.06 * rate_hz))] = 6.0
    return RecordedStream(trial, "p-1", "wrist", rate_hz, samples, {"is_fall": impact})


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def make_stage() -> type[Stage]:
    return Stage


@pytest.fixture
def window_request() -> Callable[..., Any]:
    return request_window


@pytest.fixture
def take_stream() -> Callable[..., Any]:
    return stream


@pytest.fixture
def make_recorded() -> Callable[..., RecordedStream]:
    return recorded


@pytest.fixture
def make_ear() -> type[Ear]:
    return Ear


@pytest.fixture
def data_folder() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"no development data at {DATA}")
    return DATA
