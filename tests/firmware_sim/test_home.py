from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import pytest

from contract.advert import COMPANY_ID, MalformedPacketError, decode_manufacturer_data
from contract.gatt import CONTROL_UUID, Operation, VibratePattern, encode_command
from contract.protocols import LinkLostError
from firmware_sim import HomePlan, ZonePlan, demo_home

HOUR_S = 3_600


def fingerprint(make_stage, take_stream, seed):
    """A hash over an hour of a home: every advert at both gateways, a stream, the truth."""
    digest = hashlib.sha256()

    async def scene(stage):
        packets = asyncio.ensure_future(
            take_stream(stage.home.radio("gateway-a"), stage.address("resident-1"), 2_000)
        )
        await stage.clock.sleep(600)
        stage.home.fall("resident-2", then="gets_up")
        await stage.clock.sleep(HOUR_S - 600)
        for packet, at_ns in await packets:
            digest.update(f"{packet.number} {packet.device_time_ms} {at_ns}".encode())
            digest.update(packet.samples_g.tobytes())

    stage = make_stage(seed=seed).play(scene)
    for name, ear in stage.ears.items():
        for heard in ear.heard:
            data = heard.manufacturer_data[COMPANY_ID]
            digest.update(f"{name} {heard.address} {heard.rssi_dbm} {heard.received_ns}".encode())
            digest.update(data)
    digest.update(repr(stage.home.truth).encode())
    assert len(stage.ears["gateway-a"].heard) > 6 * HOUR_S * 0.9
    return digest.hexdigest()


def test_two_runs_with_one_seed_are_the_same_run(make_stage, take_stream):
    first = fingerprint(make_stage, take_stream, seed=3)
    assert fingerprint(make_stage, take_stream, seed=3) == first


def test_another_seed_is_another_home(make_stage):
    async def scene(stage):
        await stage.clock.sleep(20)

    one = make_stage(seed=1).play(scene).ears["gateway-a"].heard
    other = make_stage(seed=2).play(scene).ears["gateway-a"].heard
    assert one != other


def test_what_happens_to_one_resident_changes_nothing_for_another(make_stage):
    async def quiet(stage):
        await stage.clock.sleep(120)

    async def eventful(stage):
        await stage.clock.sleep(10)
        stage.home.press_button("resident-3")
        stage.home.set_worn("resident-3", worn=False)
        await stage.clock.sleep(110)

    without = make_stage().play(quiet)
    with_it = make_stage().play(eventful)
    assert without.adverts("resident-5") == with_it.adverts("resident-5")
    assert without.adverts("resident-3") != with_it.adverts("resident-3")


def test_every_wearable_is_heard_once_a_second_and_soon(stage):
    ages = []

    async def scene(stage):
        await stage.clock.sleep(1)
        for _ in range(240):
            before = len(stage.ears["gateway-a"].heard)
            await stage.clock.sleep(0.25)
            now = stage.clock.monotonic_ns()
            ages.extend(now - a.received_ns for a in stage.ears["gateway-a"].heard[before:])

    stage.play(scene)
    by_address = Counter(advert.address for advert in stage.ears["gateway-a"].heard)
    assert len(by_address) == 6
    assert all(50 <= count <= 61 for count in by_address.values())
    assert min(ages) >= 0
    assert max(ages) < 0.3e9
    assert len(stage.ears["gateway-b"].heard) > 200
    assert any(
        a.rssi_dbm != b.rssi_dbm
        for a, b in zip(stage.ears["gateway-a"].heard, stage.ears["gateway-b"].heard, strict=False)
    )


def test_a_button_press_is_said_until_it_is_acknowledged_through_any_radio(stage):
    async def scene(stage):
        await stage.clock.sleep(5)
        stage.home.press_button("resident-2")
        await stage.clock.sleep(5)
        assert [a.button_pending for a in stage.adverts("resident-2")[-3:]] == [True] * 3
        link = await stage.home.radio("gateway-b").connect(stage.address("resident-2"))
        wrong = (stage.adverts("resident-2")[-1].button_counter - 1) % 256
        await link.write(CONTROL_UUID, encode_command(Operation.ACKNOWLEDGE_BUTTON, wrong))
        await stage.clock.sleep(2)
        assert stage.adverts("resident-2")[-1].button_pending
        counter = stage.adverts("resident-2")[-1].button_counter
        await link.write(CONTROL_UUID, encode_command(Operation.ACKNOWLEDGE_BUTTON, counter))
        await link.write(
            CONTROL_UUID, encode_command(Operation.VIBRATE, VibratePattern.HELP_IS_COMING)
        )
        await stage.clock.sleep(3)
        assert not stage.adverts("resident-2")[-1].button_pending
        assert stage.adverts("resident-2")[-1].button_counter == counter

    stage.play(scene)
    vibrations = stage.home.wearable("resident-2").vibrations
    assert [vibration.pattern for vibration in vibrations] == [VibratePattern.HELP_IS_COMING]
    assert [entry.what for entry in stage.home.truth].count("presses_button") == 1


@pytest.mark.parametrize("then", ["lies", "struggles", "gets_up"])
def test_a_fall_raises_a_candidate_that_is_repeated_until_acknowledged(stage, then):
    async def scene(stage):
        await stage.clock.sleep(10)
        assert not stage.adverts("resident-2")[-1].candidate_pending
        stage.home.fall("resident-2", then=then)
        await stage.clock.sleep(30)
        said = stage.adverts("resident-2")
        assert said[-1].candidate_pending
        assert said[-1].candidate_counter == 1
        assert said[-1].candidate_peak_g > 2.0
        assert said[-1].candidate_age_s >= 20
        link = await stage.home.radio("gateway-a").connect(stage.address("resident-2"))
        await link.write(CONTROL_UUID, encode_command(Operation.ACKNOWLEDGE_CANDIDATE, 1))
        await stage.clock.sleep(3)
        assert not stage.adverts("resident-2")[-1].candidate_pending

    stage.play(scene)
    truth = {entry.what: entry for entry in stage.home.truth if entry.resident == "resident-2"}
    assert 0 < truth["fall_impact"].at_us - truth["fall_begins"].at_us < 4_000_000
    assert truth["fall_begins"].detail == then
    first = next(a for a in stage.ears["gateway-a"].heard if _pending(a, stage))
    assert 0 < first.received_ns / 1e3 - _elapsed_us(truth["fall_impact"], stage) < 2_000_000


def _pending(heard, stage):
    mine = heard.address == stage.address("resident-2")
    return mine and decode_manufacturer_data(heard.manufacturer_data[COMPANY_ID]).candidate_pending


def _elapsed_us(entry, stage):
    start_us = (stage.clock.now_ns() - stage.clock.monotonic_ns()) // 1_000
    return entry.at_us - start_us


def test_after_a_fall_one_lies_still_struggles_or_walks(make_stage):
    def deviations(then):
        async def scene(stage):
            stage.home.fall("resident-2", then=then)
            await stage.clock.sleep(120)

        said = make_stage().play(scene).adverts("resident-2")
        return [advert.deviation_g for advert in said][12:]

    lies, struggles, gets_up = (deviations(then) for then in ("lies", "struggles", "gets_up"))
    assert max(lies[:40]) < 0.03
    assert sorted(struggles[:40])[20] > 0.03
    walking = [value for value in gets_up if 0.07 < value < 0.4]
    assert len(walking) >= 30


def test_helped_up_the_resident_goes_on_with_the_day(stage):
    async def scene(stage):
        stage.home.fall("resident-2")
        await stage.clock.sleep(60)
        stage.home.help_up("resident-2")
        await stage.clock.sleep(60)

    stage.play(scene)
    whats = [entry.what for entry in stage.home.truth if entry.resident == "resident-2"]
    assert whats[whats.index("helped_up") :][:2] == ["helped_up", "sits"]


def test_a_day_without_a_fall_has_its_walks_and_no_candidate(stage):
    async def scene(stage):
        await stage.clock.sleep(3 * HOUR_S)

    # One gateway is enough here.
    del stage.ears["gateway-b"]
    stage.play(scene)
    whats = Counter(entry.what for entry in stage.home.truth)
    assert whats["walks"] >= 3
    assert whats["enters"] >= whats["walks"]
    assert whats["lies"] >= 6
    assert whats["sits"] >= 6
    for wearable in stage.plan.wearables:
        last = next(
            a for a in reversed(stage.ears["gateway-a"].heard) if a.address == wearable.address
        )
        assert decode_manufacturer_data(last.manufacturer_data[COMPANY_ID]).candidate_counter == 0


def test_a_reboot_restarts_the_counters_under_a_new_boot_counter(stage):
    async def scene(stage):
        await stage.clock.sleep(5)
        stage.home.press_button("resident-2")
        await stage.clock.sleep(5)
        link = await stage.home.radio("gateway-a").connect(stage.address("resident-2"))
        before = stage.adverts("resident-2")[-1]
        stage.home.reboot("resident-2")
        with pytest.raises(LinkLostError, match="restarted"):
            await link.write(CONTROL_UUID, encode_command(Operation.VIBRATE, 1))
        await stage.clock.sleep(10)
        after = stage.adverts("resident-2")[-1]
        assert before.button_counter == 1
        assert before.button_pending
        assert after.boot_counter == (before.boot_counter + 1) % 256
        assert after.button_counter == 0
        assert not after.button_pending
        assert after.second < 10

    stage.play(scene)


def test_an_unheard_wearable_sends_nothing_and_drops_its_links(stage):
    async def scene(stage):
        await stage.clock.sleep(2)
        link = await stage.home.radio("gateway-a").connect(stage.address("resident-1"))
        stage.home.set_heard("resident-1", heard=False)
        count = len(stage.adverts("resident-1"))
        with pytest.raises(LinkLostError):
            await link.write(CONTROL_UUID, encode_command(Operation.VIBRATE, 1))
        await stage.clock.sleep(20)
        assert len(stage.adverts("resident-1")) == count
        with pytest.raises(LinkLostError, match="did not answer"):
            await stage.home.radio("gateway-a").connect(stage.address("resident-1"))
        stage.home.set_heard("resident-1", heard=True)
        await stage.clock.sleep(5)
        assert len(stage.adverts("resident-1")) > count

    stage.play(scene)
    assert stage.home.wearable("resident-1").vibrations == []


def test_a_radio_holds_seven_links(make_stage):
    plan = demo_home()
    near = [
        type(plan.wearables[0])(
            device=f"near-{n}",
            address=f"C0:00:00:00:00:{n:02X}",
            identity=n,
            resident=f"near-{n}",
            bed=f"near {n}",
            zone="room-212",
        )
        for n in range(8)
    ]
    crowd = HomePlan(home="crowd", zones=plan.zones, wearables=tuple(near), gateways=plan.gateways)

    async def scene(stage):
        await stage.clock.sleep(2)
        radio = stage.home.radio("gateway-a")
        links = [await radio.connect(wearable.address) for wearable in near[:7]]
        with pytest.raises(LinkLostError, match="7 links"):
            await radio.connect(near[7].address)
        await links[0].disconnect()
        await radio.connect(near[7].address)

    make_stage(crowd).play(scene)


def test_a_closed_radio_ends_its_adverts_and_links(stage):
    async def scene(stage):
        await stage.clock.sleep(2)
        radio = stage.home.radio("gateway-a")
        link = await radio.connect(stage.address("resident-1"))
        reading = asyncio.ensure_future(_read_all(radio))
        await stage.clock.sleep(2)
        await radio.close()
        assert await reading > 5
        with pytest.raises(LinkLostError, match="closed"):
            await link.write(CONTROL_UUID, encode_command(Operation.VIBRATE, 1))
        with pytest.raises(LinkLostError, match="closed"):
            await radio.connect(stage.address("resident-1"))

    stage.play(scene)


async def _read_all(radio):
    return sum([len(batch) async for batch in radio.adverts()])


def test_a_deaf_radio_stays_open_and_says_nothing(stage):
    async def scene(stage):
        await stage.clock.sleep(5)
        stage.home.set_radio_hearing("gateway-a", hears=False)
        count = len(stage.ears["gateway-a"].heard)
        await stage.clock.sleep(10)
        assert len(stage.ears["gateway-a"].heard) == count
        assert len(stage.ears["gateway-b"].heard) > count
        stage.home.set_radio_hearing("gateway-a", hears=True)
        await stage.clock.sleep(5)
        assert len(stage.ears["gateway-a"].heard) > count

    stage.play(scene)


def test_two_wearables_can_share_an_address(stage):
    async def scene(stage):
        stage.home.share_address("resident-1", "resident-2")
        await stage.clock.sleep(10)

    stage.play(scene)
    identities = {advert.identity for advert in stage.adverts("resident-1")}
    assert len(identities) == 2


def test_corrupt_adverts_are_cut_short_or_wrong_and_seeded(make_stage):
    def rejected():
        async def scene(stage):
            stage.home.corrupt("resident-2", 0.5)
            await stage.clock.sleep(200)
            stage.home.corrupt("resident-2", 0.0)

        stage = make_stage().play(scene)
        reasons = []
        for heard in stage.ears["gateway-a"].heard:
            try:
                decode_manufacturer_data(heard.manufacturer_data[COMPANY_ID])
            except MalformedPacketError as error:
                assert heard.address == stage.address("resident-2")
                reasons.append(str(error))
        return reasons

    reasons = rejected()
    assert 30 < len(reasons) < 110
    assert reasons == rejected()


def test_a_device_clock_can_jump(stage):
    async def scene(stage):
        await stage.clock.sleep(5)
        before = stage.adverts("resident-2")[-1].second
        stage.home.skew_device_clock("resident-2", 3_600_000)
        await stage.clock.sleep(1.5)
        assert stage.adverts("resident-2")[-1].second - before in (3_601, 3_602)
        stage.home.skew_device_clock("resident-2", -7_200_000)
        await stage.clock.sleep(1.5)
        assert before - stage.adverts("resident-2")[-1].second in range(3_590, 3_600)

    stage.play(scene)


def test_a_wearable_taken_off_lies_still_and_says_so(stage):
    async def scene(stage):
        await stage.clock.sleep(5)
        stage.home.set_worn("resident-2", worn=False)
        stage.home.set_battery("resident-2", 9)
        await stage.clock.sleep(20)

    stage.play(scene)
    last = stage.adverts("resident-2")[-1]
    assert last.worn is False
    assert last.heart_rate_bpm is None
    assert last.deviation_g < 0.005
    assert last.battery_percent == 9
    assert stage.adverts("resident-3")[-1].worn is True


def test_names_that_are_not_there_are_refused_with_those_that_are(stage):
    with pytest.raises(ValueError, match="resident-1, resident-2"):
        stage.home.fall("resident-9")
    with pytest.raises(ValueError, match="gets_up"):
        stage.home.fall("resident-1", then="flies")
    with pytest.raises(ValueError, match="gateway-a, gateway-b"):
        stage.home.radio("gateway-z")


def test_a_plan_with_a_fault_is_refused():
    plan = demo_home()
    with pytest.raises(ValueError, match="no-such"):
        HomePlan(
            home="x",
            zones=(ZonePlan(zone="a", x_m=0, y_m=0, next_to=("no-such",)),),
            wearables=(),
            gateways=(),
        )
    with pytest.raises(ValueError, match="twice"):
        HomePlan(home="x", zones=plan.zones * 2, wearables=(), gateways=())
    assert plan.route("room-211", "lounge") == ["room-211", "corridor", "lounge"]
    config = plan.gateway_config("gateway-b")
    assert config.zone == "lounge"
    assert [wearable.streaming for wearable in config.wearables].count(True) == 2
