"""Adverts: only the enrolled, everything else counted; garbage, conflicts, reboots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.advert import COMPANY_ID
from contract.events import EventKind, FaultCause
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S
from edge import counters
from edge.counters import MOST_REASONS, OTHER_REASONS, Counts
from edge.decode import WearableDecoder
from edge.decode.wearable import REJECTIONS_TOLERATED
from edge.wearables import Roster

ADDRESS = "C0:DE:00:00:00:01"


def heard(data: bytes, at_s: float = 0, address: str = ADDRESS, company: int = COMPANY_ID):
    return HeardAdvert(address, -60, {company: data}, {}, int(at_s * NS_PER_S))


@pytest.fixture
def decoder(make_config) -> WearableDecoder:
    roster = Roster()
    roster.apply(make_config())
    return WearableDecoder(roster, Counts())


def test_an_enrolled_wearable_is_decoded_and_repeats_are_counted(decoder, make_advert):
    wearable = decoder.hear(heard(make_advert(100)))
    assert wearable.device == "wearable-1"
    assert wearable.advert.battery_percent == 80
    assert decoder.hear(heard(make_advert(100), 0.3)) is None
    assert decoder.hear(heard(make_advert(101), 1.0)).summary_is_new
    assert decoder._counts[counters.ADVERTS_REPEATED] == 1
    assert decoder._counts[counters.SUMMARIES_DECODED] == 2
    assert decoder.anomalies() == []


def test_a_wearable_that_only_repeats_itself_is_not_watched_over(decoder, make_advert):
    wearable = decoder.hear(heard(make_advert(100)))
    for second in range(1, 31):
        assert decoder.hear(heard(make_advert(100), second)) is None
    assert wearable.heard_ns == 30 * NS_PER_S, "some adverts in a row may be lost"
    assert decoder.anomalies() == []
    for second in range(31, 31 + REJECTIONS_TOLERATED + 1):
        assert decoder.hear(heard(make_advert(100), second)) is None
    assert wearable.heard_ns == 30 * NS_PER_S, "from now on it is missing"
    (anomaly,) = decoder.anomalies()
    assert anomaly.cause is FaultCause.PACKET_REJECTED
    assert "stopped changing" in anomaly.detail
    assert decoder.hear(heard(make_advert(150), 50)) is wearable, "and when it goes on it is back"
    assert wearable.heard_ns == 50 * NS_PER_S


def test_strangers_are_counted_and_not_looked_into(decoder, make_advert):
    assert decoder.hear(heard(b"\x01\x02", address="AA:AA:AA:AA:AA:AA", company=76)) is None
    assert decoder.hear(heard(make_advert(1, identity=99), address="AA:AA:AA:AA:AA:AA")) is None
    assert decoder._counts == {counters.ADVERTS_FOREIGN: 2}
    assert decoder.anomalies() == []


def test_two_addresses_that_claim_one_identity_are_a_conflict(decoder, make_advert):
    assert decoder.hear(heard(make_advert(1), address="AA:AA:AA:AA:AA:AA")) is None
    (anomaly,) = decoder.anomalies()
    assert anomaly.cause is FaultCause.ADDRESS_CONFLICT
    assert anomaly.wearable.device == "wearable-1"


def test_another_identity_at_an_enrolled_address_is_a_conflict(decoder, make_advert):
    assert decoder.hear(heard(make_advert(1, identity=2))) is None
    (anomaly,) = decoder.anomalies()
    assert anomaly.cause is FaultCause.ADDRESS_CONFLICT
    assert decoder.hear(heard(make_advert(1))) is not None, "the enrolled one still counts"


def test_a_clone_with_the_same_identity_is_noticed_by_its_boots(decoder, make_advert):
    causes = []
    for second in range(10):
        decoder.hear(heard(make_advert(100 + second, boot_counter=7), second))
        decoder.hear(heard(make_advert(900 + second, boot_counter=9), second + 0.5))
        causes += [each.cause for each in decoder.anomalies()]
    assert FaultCause.ADDRESS_CONFLICT in causes


def test_malformed_adverts_are_counted_by_reason_and_many_are_a_fault(decoder, make_advert):
    for index in range(REJECTIONS_TOLERATED):
        assert decoder.hear(heard(make_advert(index)[: index + 1], index)) is None
        assert decoder.anomalies() == []
    assert decoder.hear(heard(b"", REJECTIONS_TOLERATED)) is None
    (anomaly,) = decoder.anomalies()
    assert anomaly.cause is FaultCause.PACKET_REJECTED
    assert decoder._counts.all_rejected == REJECTIONS_TOLERATED + 1
    assert len(decoder._counts) == 1, "one reason, whatever its numbers"


def test_rejections_far_apart_are_no_fault(decoder):
    for minute in range(30):
        decoder.hear(heard(b"x", minute * 10))
    assert decoder.anomalies() == []


def test_a_reboot_is_a_fault_and_neither_a_press_nor_a_candidate(decoder, make_advert):
    for second in range(5):
        decoder.hear(
            heard(make_advert(5_000 + second, button_counter=9, candidate_counter=200), second)
        )
    wearable = decoder.hear(heard(make_advert(3, boot_counter=8), 8))
    assert wearable.summary_is_new
    assert not wearable.advert.button_pending
    assert not wearable.advert.candidate_pending
    (anomaly,) = decoder.anomalies()
    assert anomaly.cause is FaultCause.WEARABLE_REBOOTED


def test_a_press_counts_even_when_the_second_cannot_be(decoder, make_advert):
    for second in range(5):
        decoder.hear(heard(make_advert(100 + second), second))
    wearable = decoder.hear(heard(make_advert(9_000, button_pending=True), 5))
    assert wearable.advert.button_pending
    assert not wearable.summary_is_new
    assert decoder._counts.all_rejected == 1


def test_adverts_out_of_order_are_counted(decoder, make_advert):
    for second in (100, 101, 102):
        decoder.hear(heard(make_advert(second), second - 100))
    assert decoder.hear(heard(make_advert(101, battery_percent=79), 2.5)) is None
    assert decoder._counts["rejected: an advert out of order"] == 1


def test_reasons_that_somebody_else_makes_up_are_bounded():
    counts = Counts()
    for number in range(5_000):
        counts.rejected(f"no such thing: {chr(0x4E00 + number)}")
    assert len(counts.reasons) == MOST_REASONS + 1
    assert counts.reasons[OTHER_REASONS] == 5_000 - MOST_REASONS
    assert counts.all_rejected == 5_000


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 10**6), st.booleans()), max_size=30)
)
def test_garbage_never_raises_and_all_of_it_is_counted(items):
    from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig

    roster = Roster()
    one = WearableConfig(device="wearable-1", address=ADDRESS, identity=1)
    roster.apply(GatewayConfig(schema=MESSAGE_SCHEMA, home="demo", revision=1, wearables=[one]))
    decoder = WearableDecoder(roster, Counts())
    for data, at_s, enrolled in items:
        address = ADDRESS if enrolled else "AA:AA:AA:AA:AA:AA"
        decoder.hear(heard(data, at_s, address))
        decoder.hear(HeardAdvert(address, -200, {}, {"x": data}, at_s))
    foreign = sum(2 for *_, enrolled in items if not enrolled)
    assert decoder._counts[counters.ADVERTS_FOREIGN] == foreign
    assert decoder._counts.all_rejected >= sum(1 for *_, enrolled in items if enrolled)


@given(st.lists(st.lists(st.integers(1, 9), unique=True, max_size=9), min_size=1, max_size=6))
def test_wearables_keep_their_rows_through_changes(stages):
    from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig

    roster, rows = Roster(), {}
    for revision, numbers in enumerate(stages):
        wanted = [
            WearableConfig(device=f"w-{n}", address=f"a-{n}", identity=n, streaming=n % 2 == 0)
            for n in numbers
        ]
        roster.apply(
            GatewayConfig(schema=MESSAGE_SCHEMA, home="d", revision=revision, wearables=wanted)
        )
        now = {each.device: (each.row, each.stream_row) for each in roster}
        assert list(now) == [f"w-{n}" for n in numbers]
        assert len({row for row, _ in now.values()}) == len(now)
        streams = [stream for _, stream in now.values() if stream is not None]
        assert len(set(streams)) == len(streams) == sum(n % 2 == 0 for n in numbers)
        assert all(rows[device] == now[device] for device in now if device in rows)
        rows = now


def test_conflicts_reboots_and_garbage_become_faults_that_end(bench, make_advert):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            await bench.advertise(5)
            bench.radio.hear(ADDRESS, make_advert(105, identity=2))
            for _ in range(REJECTIONS_TOLERATED + 5):
                bench.radio.hear(ADDRESS, b"garbage")
            await bench.clock.sleep(1)
            await bench.advertise(900, first=3, boot_counter=8)
            for cause in (
                FaultCause.ADDRESS_CONFLICT,
                FaultCause.PACKET_REJECTED,
                FaultCause.WEARABLE_REBOOTED,
            ):
                kinds = [each.kind for each in bench.far_end.faults(cause)]
                assert kinds == [EventKind.FAULT, EventKind.FAULT_CLEARED], cause
            assert gateway.faults.causes() == []
            assert not bench.far_end.of(EventKind.HELP_REQUESTED, EventKind.FALL_SUSPECTED)

    bench.clock.run(main())
