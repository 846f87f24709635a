"""Wearables whose identity and address roll: known by their key, wherever they are heard."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.advert import COMPANY_ID
from contract.clock import VirtualClock
from contract.events import EventKind, FaultCause
from contract.identities import MAX_TABLE_BYTES, Identities
from contract.identity import EPOCH_S, EPOCHS, identity_bytes, rolling_identity
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S
from edge import counters
from edge.configuration import CONFIG_FILE, RejectedConfigError, check_config
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.wearables import Roster
from firmware_sim import SimulatedHome, demo_home

KEY = "11" * 16
OTHER_KEY = "22" * 16
FIRST, SECOND, THIRD = "40:00:00:00:00:01", "40:00:00:00:00:02", "40:00:00:00:00:03"


def config_of(*wearables: WearableConfig, revision: int = 1) -> GatewayConfig:
    return GatewayConfig(
        schema=MESSAGE_SCHEMA, home="demo", revision=revision, wearables=list(wearables)
    )


def keyed(number: int = 1, key: str = KEY, **changes: object) -> WearableConfig:
    values = {"device": f"wearable-{number}", "address": "", "key": key, **changes}
    return WearableConfig(**values)


@pytest.fixture
def roster() -> Roster:
    roster = Roster()
    roster.apply(config_of(keyed(), keyed(2, OTHER_KEY)))
    return roster


@pytest.fixture
def decoder(roster) -> WearableDecoder:
    return WearableDecoder(roster, Counts())


@pytest.fixture
def heard(make_advert):
    """An advert as a wearable with a key sends it."""

    def advert(second: int, address: str, key: str = KEY, **changes: object) -> HeardAdvert:
        boot = changes.get("boot_counter", 7)
        identity = changes.pop("identity", rolling_identity(bytes.fromhex(key), boot, second))
        at_ns = changes.pop("at_ns", second * NS_PER_S)
        data = make_advert(second, identity=identity, **changes)
        return HeardAdvert(address, -60, {COMPANY_ID: data}, {}, at_ns)

    return advert


def test_it_is_known_from_any_address_and_through_its_roll(decoder, roster, heard):
    one, other = roster.by_device["wearable-1"], roster.by_device["wearable-2"]
    roll = 3 * EPOCH_S
    assert decoder.hear(heard(roll - 1, FIRST)) is one
    assert decoder.hear(heard(roll - 1, SECOND, OTHER_KEY)) is other
    assert one.address == FIRST
    assert decoder.hear(heard(roll - 1, FIRST)) is None, "only repeated"
    assert decoder.hear(heard(roll, THIRD)) is one
    assert one.address == THIRD
    assert set(roster.by_address) == {SECOND, THIRD}
    assert decoder._counts[counters.SUMMARIES_DECODED] == 3
    assert decoder._counts[counters.ADVERTS_FOREIGN] == 0
    assert decoder.anomalies() == []


def test_the_address_may_roll_a_moment_before_the_identity_and_after_a_reboot(decoder, heard):
    for second, address, boot in (
        (EPOCH_S - 1, FIRST, 7),
        (EPOCH_S, FIRST, 7),
        (EPOCH_S + 1, SECOND, 7),
    ):
        assert decoder.hear(heard(second, address, boot_counter=boot)) is not None
    assert decoder.anomalies() == []
    assert decoder.hear(heard(2, THIRD, boot_counter=8, at_ns=2_000 * NS_PER_S)) is not None
    assert [each.cause for each in decoder.anomalies()] == [FaultCause.WEARABLE_REBOOTED]


def test_nobodys_identity_is_a_stranger_wherever_it_is(decoder, heard):
    assert decoder.hear(heard(100, FIRST)) is not None
    assert decoder.hear(heard(101, SECOND, identity=12_345)) is None
    assert decoder._counts[counters.ADVERTS_FOREIGN] == 1
    assert decoder.hear(heard(101, FIRST, identity=12_345)) is None
    assert decoder._counts.all_rejected == 1
    assert decoder.anomalies() == []


def test_an_identity_does_not_outlive_its_second_or_boot(decoder, heard):
    stale = rolling_identity(bytes.fromhex(KEY), 7, 100)
    assert decoder.hear(heard(100 + EPOCH_S, FIRST, identity=stale)) is None
    assert decoder.hear(heard(100, FIRST, identity=stale, boot_counter=8)) is None
    assert decoder.hear(heard(100, FIRST, identity=stale)) is not None


def test_whose_advert_is_repeated_elsewhere_is_still_heard_and_it_is_said(decoder, roster, heard):
    wearable = roster.by_device["wearable-1"]
    causes = []
    for second in range(100, 106):
        address = FIRST if second % 2 else SECOND
        assert decoder.hear(heard(second, address)) is wearable
        causes += [each.cause for each in decoder.anomalies()]
    assert FaultCause.ADDRESS_CONFLICT in causes
    assert decoder._counts[counters.SUMMARIES_DECODED] == 6


def test_an_old_advert_from_elsewhere_does_not_turn_links_away(decoder, roster, heard):
    wearable = roster.by_device["wearable-1"]
    for second in (100, 101, 102):
        decoder.hear(heard(second, FIRST))
    decoder.hear(heard(101, SECOND, at_ns=103 * NS_PER_S, battery_percent=79))
    decoder.hear(heard(102, SECOND, at_ns=103 * NS_PER_S))
    assert wearable.address == FIRST
    assert decoder.hear(heard(103, FIRST)) is wearable
    assert decoder.anomalies() == []


def test_a_fixed_wearable_keeps_its_address_whoever_uses_it(make_wearable, heard):
    roster = Roster()
    roster.apply(config_of(keyed(), make_wearable(2, address=FIRST)))
    decoder = WearableDecoder(roster, Counts())
    assert decoder.hear(heard(100, FIRST)).device == "wearable-1"
    assert roster.by_address[FIRST].device == "wearable-2"
    assert decoder.hear(heard(100, FIRST, identity=2)).device == "wearable-2"
    assert decoder.anomalies() == []


def test_a_new_configuration_keeps_who_is_known_and_a_new_key_is_a_new_wearable(roster, heard):
    decoder = WearableDecoder(roster, Counts())
    decoder.hear(heard(100, FIRST))
    wearable = roster.by_device["wearable-1"]
    added = roster.apply(config_of(keyed(zone="lounge"), keyed(2, OTHER_KEY), revision=2))
    assert added == []
    assert roster.by_address == {FIRST: wearable}
    (added,) = roster.apply(config_of(keyed(key="33" * 16), keyed(2, OTHER_KEY), revision=3))
    assert added is roster.by_device["wearable-1"]
    assert decoder.hear(heard(101, FIRST)) is None, "the old key is nobody's"
    assert decoder.hear(heard(101, FIRST, "33" * 16)) is added


@given(
    st.lists(st.binary(min_size=16, max_size=16), unique=True, min_size=1, max_size=40), st.data()
)
def test_each_key_is_found_and_no_other(keys, data):
    identities = Identities(keys)
    boot, epoch = data.draw(st.integers(0, 255)), data.draw(st.integers(0, 63))
    head = bytes((boot, data.draw(st.integers(0, 255)), epoch << 2 | data.draw(st.integers(0, 3))))
    made = [identity_bytes(key, boot, epoch) for key in keys]
    for number, identity in enumerate(made):
        assert identities.find(b"\x01" + identity + head + bytes(16)) == number
    stray = data.draw(st.binary(min_size=4, max_size=4))
    across = (b"".join(made) + made[0])[2:6]
    for identity in (stray, across):
        found = identities.find(b"\x01" + identity + head + bytes(16))
        assert found == (made.index(identity) if identity in made else None)


def test_a_flood_of_forged_identities_is_bounded_work_and_memory(monkeypatch):
    worked_out = []
    monkeypatch.setattr(
        "contract.identities.identity_bytes",
        lambda key, boot, epoch: worked_out.append(1) or identity_bytes(key, boot, epoch),
    )
    drawn = random.Random(1)
    identities = Identities([drawn.randbytes(16) for _ in range(4)])
    for _ in range(60_000):
        assert identities.find(b"\x01" + drawn.randbytes(23)) is None
    assert identities.rows <= 256 * EPOCHS
    assert len(worked_out) == 4 * identities.rows, "each pair once, however many adverts"


def test_a_home_of_many_keeps_a_table_of_its_size_all_the_same(monkeypatch):
    monkeypatch.setattr("contract.identities.MAX_TABLE_BYTES", 4 * 5 * 100)
    drawn = random.Random(1)
    keys = [drawn.randbytes(16) for _ in range(5)]
    identities = Identities(keys)
    for boot in range(256):
        assert (
            identities.find(b"\x01" + identity_bytes(keys[3], boot, 1) + bytes((boot, 0, 4))) == 3
        )
    assert identities.rows == 100
    assert MAX_TABLE_BYTES >= 4 * 60 * 256 * EPOCHS, "a home of 60 has all of it"


@pytest.mark.parametrize(
    ("wearables", "reason"),
    [
        ([keyed(), keyed(2)], "wearable-1 and wearable-2 have the same key"),
        ([keyed(), keyed(2, KEY.upper().replace("1", "1"))], "have the same key"),
        ([keyed(key="5ec4e7")], "the key of wearable wearable-1: a key has 32"),
        ([WearableConfig(device="w", address="AA:AA:AA:AA:AA:AA")], "needs a key, or its address"),
        ([WearableConfig(device="w", address="", identity=3)], "needs a key, or its address"),
        ([WearableConfig(device="w", address="", kind="polar")], "needs a key, or its address"),
    ],
)
def test_a_configuration_that_cannot_tell_wearables_apart_is_refused(wearables, reason):
    with pytest.raises(RejectedConfigError, match=reason) as caught:
        check_config(config_of(*wearables), "demo")
    assert KEY not in str(caught.value)
    assert "5ec4e7" not in str(caught.value)


def test_fixed_and_rolling_wearables_and_those_of_others_live_side_by_side():
    config = config_of(
        keyed(),
        keyed(2, OTHER_KEY),
        WearableConfig(device="fixed", address=FIRST, identity=9),
        WearableConfig(device="strap", address=SECOND, kind="polar"),
        WearableConfig(device="watch", address=THIRD, kind="nobody-knows"),
    )
    assert check_config(config, "demo") is config


def test_a_home_whose_wearables_roll_is_watched_as_any_other(bench, capsys):
    """Two wearables with keys through a roll of each, a fall and a press; links find them."""
    drawn = random.Random(6)
    plan = demo_home()
    plan = dataclasses.replace(
        plan,
        wearables=tuple(
            dataclasses.replace(each, key=drawn.randbytes(16).hex(), address="", identity=0)
            for each in plan.wearables[:2]
        ),
    )
    clock: VirtualClock = bench.clock
    home = SimulatedHome(plan, clock, seed=4)
    first, second = (each.resident for each in plan.wearables[:2])
    for resident in (first, second):
        home.wearable(resident)._uptime_s = 5 * EPOCH_S - 30  # half a minute until it rolls

    async def main() -> None:
        gateway = bench.gateway(
            radio=home.radio("gateway-a"), config=plan.gateway_config("gateway-a")
        )
        living = asyncio.create_task(home.run())
        try:
            async with bench.running(gateway):
                await clock.sleep(20)
                before = {each.device: each.address for each in gateway.roster}
                await clock.sleep(20)
                after = {each.device: each.address for each in gateway.roster}
                assert all(before[device] != after[device] for device in before), "all have rolled"
                assert len(gateway.roster.by_address) == len(plan.wearables)
                home.fall(first)
                home.press_button(second)
                await clock.sleep(60)
                assert gateway.faults.causes() == []
                kinds = {(each.kind, each.resident) for each in bench.far_end.of(*EventKind)}
                assert (EventKind.HELP_REQUESTED, second) in kinds
                assert (EventKind.FALL_SUSPECTED, first) in kinds
                assert (EventKind.FALL_DETECTED, first) in kinds
                assert not home.wearable(second)._button_pending, "it was written back"
                assert gateway.counts[counters.ADVERTS_FOREIGN] == 0
        finally:
            living.cancel()

    clock.run(main())
    kept = bench.folder / "gateway-a" / CONFIG_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600, "it holds the keys"
    assert json.loads(kept.read_text())["wearables"][0]["key"] == plan.wearables[0].key
    keys = [each.key for each in plan.wearables]
    far_end = bench.far_end
    said = repr((far_end.events, far_end.statuses, far_end.batches)) + "".join(capsys.readouterr())
    assert not any(key in said for key in keys), "nothing that is published or logged tells a key"
