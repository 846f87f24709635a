"""Heart rates of all makers become events: by limits, for whom, and not of what lies on a table."""

from __future__ import annotations

import pytest

from contract.clock import now_us
from contract.events import EventKind
from contract.messages import Absence, AbsenceKind, VitalLimits
from contract.units import US_PER_S
from detectors.vitals import ABSENT_S, PERSISTENCE_S

HIGH, LOW, ABSENT = (
    EventKind.HEART_RATE_HIGH,
    EventKind.HEART_RATE_LOW,
    EventKind.HEART_RATE_ABSENT,
)
ALL = (HIGH, LOW, ABSENT)


@pytest.fixture
def advertised(bench, make_config, make_wearable):
    """The vital events of a wearable that advertises `stretches` of (seconds, changes)."""

    def run(*stretches, **changes):
        async def main():
            gateway = bench.gateway(config=make_config(make_wearable(**changes)))
            async with bench.running(gateway):
                second = 100
                for seconds, advert in stretches:
                    await bench.advertise(seconds, second, **advert)
                    second += seconds
                await bench.clock.sleep(3)
            return bench.far_end.of(*ALL)

        return bench.clock.run(main())

    return run


def test_a_rate_in_adverts_above_the_limit_is_told_once(bench, advertised):
    (event,) = advertised((60, {}), (PERSISTENCE_S + 200, {"heart_rate_bpm": 140}))
    assert event.kind is HIGH
    assert (event.resident, event.device) == ("resident-1", "wearable-1")
    assert event.key.startswith("resident-1:heart_rate_high:")
    assert event.detail == "Heart rate 140 at rest, at or above 131 for 2 min."
    assert event.evidence.detector == "vitals/1"
    assert event.evidence.features["limit_bpm"] == 131
    told_s = next(at for at, topic, _ in bench.far_end.payloads if "heart_rate_high" in topic)
    assert 60 + PERSISTENCE_S - 1 <= told_s <= 60 + PERSISTENCE_S + 5


SLOW_AND_FAST = ((150, {"heart_rate_bpm": 52}), (150, {"heart_rate_bpm": 105}))


def test_her_own_limits_are_hers(advertised):
    limits = VitalLimits(high_bpm=100, low_bpm=55, persistence_s=30)
    events = advertised(*SLOW_AND_FAST, vitals=limits)
    assert [each.kind for each in events] == [LOW, HIGH]


def test_without_limits_of_her_own_those_of_everybody_hold(advertised):
    assert advertised(*SLOW_AND_FAST) == []


WITHOUT = {"heart_rate_bpm": None}


def test_a_pulse_that_is_lost_is_told(advertised):
    (event,) = advertised((30, {}), (ABSENT_S + 30, WITHOUT))
    assert event.kind is ABSENT
    assert "no pulse for 5 min" in event.detail


def test_a_wearable_without_a_sensor_has_no_pulse_to_lose(advertised):
    assert advertised((ABSENT_S + 60, WITHOUT)) == []


@pytest.mark.parametrize(
    "off",
    [{"worn": False}, {"charging": True}, {"worn": False, "charging": True}],
    ids=["off", "charging", "both"],
)
def test_what_nobody_wears_has_no_vitals(advertised, off):
    fast = (PERSISTENCE_S + 60, {"heart_rate_bpm": 180, **off})
    assert advertised((30, {}), fast, (ABSENT_S + 60, {**WITHOUT, **off})) == []


def test_nothing_is_told_while_staff_say_that_it_is_off(bench, advertised):
    now = now_us(bench.clock)
    bath = Absence(kind=AbsenceKind.BATHING, since_us=now, until_us=now + 200 * US_PER_S)
    (event,) = advertised((PERSISTENCE_S + 250, {"heart_rate_bpm": 180}), absence=bath)
    assert event.kind is HIGH
    assert event.at_us >= bath.until_us + (PERSISTENCE_S - 1) * US_PER_S


def test_walking_raises_nothing(advertised):
    walk = {"heart_rate_bpm": 145, "deviation_g": 0.15}
    assert advertised((60, {}), (300, walk)) == []


def test_an_unassigned_wearables_vitals_are_told_by_its_device(advertised):
    (event,) = advertised((PERSISTENCE_S + 30, {"heart_rate_bpm": 140}), resident=None)
    assert event.key.startswith("wearable-1:heart_rate_high:")
    assert event.resident is None


def test_another_wearer_inherits_no_episode(bench, make_config, make_wearable):
    async def main():
        gateway = bench.gateway(config=make_config(make_wearable()))
        async with bench.running(gateway):
            await bench.advertise(PERSISTENCE_S - 10, heart_rate_bpm=140)
            gateway._apply_config(make_config(make_wearable(resident="resident-9"), revision=2))
            await bench.advertise(30, 300, heart_rate_bpm=140)
            assert bench.far_end.of(*ALL) == []
            await bench.advertise(PERSISTENCE_S, 400, heart_rate_bpm=140)
            assert bench.far_end.of(*ALL)[0].resident == "resident-9"

    bench.clock.run(main())
