"""A capture of wearables that roll: no key in it, and it replays as any other."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from contract.advert import COMPANY_ID
from contract.identity import EPOCH_S, rolling_identity
from contract.messages import WearableConfig
from contract.protocols import HeardAdvert
from contract.units import seconds_to_ns
from firmware_sim.capture import Capture
from firmware_sim.capture.pinning import ADDRESSES_KEPT, Pinning, pinned
from firmware_sim.capture.reader import AdvertBatch
from wardlight.fuzz import an_advert, encode_manufacturer_data

KEY = "11" * 16
KEYED = WearableConfig(device="wearable-1", address="", key=KEY)
FIXED = WearableConfig(device="wearable-2", address="C0:DE:00:00:00:02", identity=2)


def heard(second: int, address: str, identity: int | None = None) -> HeardAdvert:
    if identity is None:
        identity = rolling_identity(bytes.fromhex(KEY), 7, second)
    data = encode_manufacturer_data(an_advert(identity, second))
    return HeardAdvert(address, -60, {COMPANY_ID: data, 76: b"x"}, {}, second)


def test_one_that_rolls_has_one_address_and_identity_and_everything_else_is_as_heard():
    pinning = Pinning()
    pinning.follow([KEYED, FIXED])
    address, identity = pinned(KEYED)
    assert pinned(FIXED) == (FIXED.address, 2)
    assert (int(address[:2], 16) & 0xC0, identity > 0) == (0xC0, True)
    for number in range(3 * ADDRESSES_KEPT):
        second, at = EPOCH_S * number, f"40:00:00:00:00:{number:02X}"
        given, written = heard(second, at), pinning.advert(heard(second, at))
        assert (written.address, written.rssi_dbm, written.received_ns) == (address, -60, second)
        assert written.manufacturer_data[76] == b"x"
        assert written.manufacturer_data[COMPANY_ID][1:5] == identity.to_bytes(4, "little")
        assert written.manufacturer_data[COMPANY_ID][5:] == given.manufacturer_data[COMPANY_ID][5:]
        assert pinning.address(at) == address, "and so have its links"
        assert len(pinning._addresses) <= ADDRESSES_KEPT
    for other in (heard(5, "C0:DE:00:00:00:02", 2), heard(5, "AA:AA:AA:AA:AA:AA", 99)):
        assert pinning.advert(other) == other
    spoilt = HeardAdvert(at, -60, {COMPANY_ID: b"\x01cut"}, {}, 5)
    assert pinning.advert(spoilt) == spoilt._replace(address=address)


def test_a_home_whose_wearables_roll_is_captured_and_replays(
    capture_home, play_capture, said, demo_plan, tmp_path
):
    dice = random.Random(5)
    wearables = tuple(
        dataclasses.replace(each, key=dice.randbytes(16).hex()) for each in demo_plan.wearables[:2]
    )
    plan = dataclasses.replace(demo_plan, wearables=wearables)
    first, _ = wearables

    async def story(simulation, clock) -> None:
        await clock.sleep(30)
        simulation.fall(first.resident)
        await clock.sleep(45)

    live = capture_home(tmp_path, story, plan=plan)
    kinds = {(kind, device) for kind, device, _ in live.said()}
    assert ("fall_detected", first.device) in kinds
    capture = Capture(live.folder)
    batches = [each for each in capture.timeline() if isinstance(each, AdvertBatch)]
    known_ns = batches[0].at_ns + seconds_to_ns(5)  # the configuration has come by then
    addresses = {one.address for each in batches if each.at_ns > known_ns for one in each.adverts}
    assert addresses == {each.address for each in capture.scene.wearables}
    for file in filter(Path.is_file, live.folder.rglob("*")):
        content = file.read_bytes()
        assert all(each.key.encode() not in content for each in wearables), file
        assert all(bytes.fromhex(each.key) not in content for each in wearables), file
    _, replayed = play_capture(live.folder)
    assert {(kind, device) for kind, device, _ in said(replayed)} == kinds
