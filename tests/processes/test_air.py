"""A gateway hears a home that is simulated in another process, and loses it with that process."""

from __future__ import annotations

import asyncio

import pytest

from contract.clock import ScaledClock, SystemClock, now_us
from contract.gatt import CONTROL_UUID, STREAM_UUID, Operation, encode_command
from contract.packets import decode_packet
from contract.protocols import LinkLostError
from contract.units import ns_to_seconds
from firmware_sim import SimulatedHome, demo_home
from wardlight.air import AirServer, RemoteRadio

RATE = 10.0


def play(tmp_path, scene):
    """The home on one clock, the gateway on another with the same origin."""

    async def main():
        origin_us = now_us(SystemClock())
        clock = ScaledClock(RATE, origin_us)
        plan = demo_home()
        simulation = SimulatedHome(plan, clock, seed=7)
        server = AirServer(simulation, clock, tmp_path / "air.socket")
        await server.start()
        living = asyncio.create_task(simulation.run())
        gateway_clock = ScaledClock(RATE, origin_us)
        try:
            await scene(server, plan, gateway_clock)
        finally:
            await server.stop()
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    asyncio.run(main())


def test_adverts_and_a_stream_come_with_the_times_of_the_gateways_clock(tmp_path):
    async def scene(server, plan, clock):
        radio = RemoteRadio(tmp_path / "air.socket", "gateway-a", clock)
        adverts = radio.adverts()
        began_ns = clock.monotonic_ns()
        heard = [each for _ in range(4) for each in await anext(adverts)]
        assert {each.address for each in heard} <= {each.address for each in plan.wearables}
        for each in heard:
            assert -5 < ns_to_seconds(each.received_ns - began_ns) < 60
        link = await radio.connect(plan.wearable_of("resident-1").address)
        packets = link.notifications(STREAM_UUID)
        await link.write(CONTROL_UUID, encode_command(Operation.START_STREAM))
        numbers = [decode_packet((await anext(packets))[0]).number for _ in range(3)]
        assert numbers == list(range(numbers[0], numbers[0] + 3))
        await link.disconnect()
        with pytest.raises(LinkLostError):
            await link.write(CONTROL_UUID, encode_command(Operation.START_STREAM))
        with pytest.raises(LinkLostError, match="did not answer"):
            await radio.connect("00:00:00:00:00:00")
        await adverts.aclose()

    play(tmp_path, scene)


def test_the_end_of_the_air_ends_scan_and_links(tmp_path):
    async def scene(server, plan, clock):
        radio = RemoteRadio(tmp_path / "air.socket", "gateway-a", clock)
        adverts = radio.adverts()
        await anext(adverts)
        link = await radio.connect(plan.wearable_of("resident-1").address)
        packets = link.notifications(STREAM_UUID)
        await server.stop()

        async def listen_on():
            while True:
                await anext(adverts)

        with pytest.raises(ConnectionError):
            await listen_on()
        with pytest.raises(LinkLostError):
            await anext(packets)
        with pytest.raises(LinkLostError):
            await radio.connect(plan.wearable_of("resident-1").address)
        again = radio.adverts()
        with pytest.raises(OSError, match=r"air\.socket|No such file"):
            await anext(again)

    play(tmp_path, scene)


def test_a_gateway_that_the_home_does_not_have_hears_nothing(tmp_path):
    async def scene(_server, _plan, clock):
        with pytest.raises(ConnectionError):
            await anext(RemoteRadio(tmp_path / "air.socket", "gateway-z", clock).adverts())

    play(tmp_path, scene)
