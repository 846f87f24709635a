"""Ten windows wanted at once, over links that break in the middle of them."""

from __future__ import annotations

import asyncio

from contract.advert import COMPANY_ID, WearableAdvert, decode_manufacturer_data
from contract.clock import ScaledClock
from contract.gatt import CONTROL_UUID, WINDOW_UUID, Operation, encode_command
from contract.packets import decode_packet
from contract.protocols import LinkLostError, Radio
from firmware_sim import SimulatedHome
from firmware_sim.bluez import HomeOnAir
from firmware_sim.homes import many

FAST = 8.0
"""Seconds of home time for each of the test."""
WINDOWS = 10
BREAKS_AFTER = [1, 5, 12, 20, 30]
"""Packets of a window are 38 or so: links break at its beginning, middle and end."""


class Reader:
    """Reads one window as a gateway does: from where the last link broke."""

    def __init__(self, radio: Radio, address: str, candidate: int) -> None:
        self.radio = radio
        self.address = address
        self.candidate = candidate
        self.packets: dict[int, bytes] = {}
        self.total = 1
        self.breaks = 0

    async def read(self) -> None:
        while len(self.packets) < self.total:
            try:
                await self._over_one_link()
            except LinkLostError:
                self.breaks += 1

    async def _over_one_link(self) -> None:
        link = await self.radio.connect(self.address)
        try:
            coming = link.notifications(WINDOW_UUID)
            ask = encode_command(Operation.REQUEST_WINDOW, self.candidate, len(self.packets))
            waiting = asyncio.ensure_future(anext(coming))
            # It subscribes when it is first awaited, and only then may the wearable be asked.
            await asyncio.sleep(0)
            await link.write(CONTROL_UUID, ask)
            while True:
                payload, _ = await waiting
                # Raises if its CRC is wrong.
                packet = decode_packet(payload)
                assert packet.number == len(self.packets), "in order, none twice, none missing"
                self.packets[packet.number], self.total = payload, packet.total
                if packet.number == packet.total - 1:
                    return
                waiting = asyncio.ensure_future(anext(coming))
        finally:
            await link.disconnect()


def pending(bench) -> dict[str, WearableAdvert]:
    """Who asks for a window, as last heard."""
    heard = {each.address: each.manufacturer_data[COMPANY_ID] for each in bench.adverts}
    adverts = {address: decode_manufacturer_data(data) for address, data in heard.items()}
    return {address: one for address, one in adverts.items() if one.candidate_pending}


def test_ten_windows_at_once_are_whole_though_links_break(on_air):
    async def main() -> None:
        clock = ScaledClock(FAST)
        plan = many(WINDOWS, gateways=2)
        home = SimulatedHome(plan, clock, seed=3)
        hear = {
            f"hci{number}": [HomeOnAir(home.radio(gateway.name))]
            for number, gateway in enumerate(plan.gateways)
        }
        async with on_air(hear, clock=clock) as bench:
            living = asyncio.create_task(home.run())
            await clock.sleep(12.0)
            for wearable in plan.wearables:
                home.fall(wearable.resident)
            await bench.until(lambda: len(pending(bench)) == WINDOWS, within_s=30.0)
            for controller in bench.bluez.controllers.values():
                controller.breaks_after = list(BREAKS_AFTER)
            readers = [
                Reader(bench.radio, address, advert.candidate_counter)
                for address, advert in pending(bench).items()
            ]
            await asyncio.gather(*(reader.read() for reader in readers))
            assert sum(reader.breaks for reader in readers) >= 2 * len(BREAKS_AFTER)
            # What the wearable says with no air between.
            for reader in readers:
                near = Reader(home.radio("gateway-a"), reader.address, reader.candidate)
                await near.read()
                assert reader.packets == near.packets
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    asyncio.run(main())
