"""One siren per incident: not for what was answered, not for last night's, not at each restart;
and never silent for what nobody has answered."""

from __future__ import annotations

import json

import msgspec
import pytest

from contract.events import STAFF_POINT, EventKind
from contract.messages import AlertStateItem, IncidentState, Priority
from edge.siren_policy import OLD_ALARM_NS, SILENCE_HOLDS_NS

HOUR_S = 3_600


@pytest.fixture
def press(make_advert):
    def press(bench, counter: int, second: int = 100) -> None:
        bench.radio.hear(
            "C0:DE:00:00:00:01", make_advert(second, button_counter=counter, button_pending=True)
        )

    return press


def helps(bench):
    return bench.far_end.of(EventKind.HELP_REQUESTED)


def answers(bench):
    return bench.far_end.of(EventKind.ACKNOWLEDGED)


def item(event, **changes) -> AlertStateItem:
    values = {
        "incident": "incident-1",
        "state": IncidentState.OPEN,
        "priority": Priority.HIGH,
        "kind": "help_requested",
        "opened_at_us": 1,
        "event_ids": [event.id],
        "device": "wearable-1",
        "bed": "2/F 211-A",
        "sound": True,
    }
    return AlertStateItem(**{**values, **changes})


def test_in_a_storm_of_restarts_what_was_answered_stays_quiet(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        first = bench.gateway()
        async with bench.running(first):
            press(bench, 1)
            await bench.clock.sleep(20)
            assert bench.siren.now == "alarm"
            await first.acknowledge(helps(bench)[0].id, STAFF_POINT)
            await bench.clock.sleep(5)
        bench.siren.log.clear()
        for _ in range(5):
            async with bench.running(bench.gateway()):
                await bench.clock.sleep(50)
        assert "alarm" not in bench.siren.tones
        assert len(answers(bench)) == 1

    bench.clock.run(main())


def test_what_nobody_answered_sounds_after_each_restart(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway()):
            press(bench, 1)
            await bench.clock.sleep(1)
        for _ in range(3):
            bench.siren.log.clear()
            async with bench.running(bench.gateway()):
                await bench.clock.sleep(17)
            assert bench.siren.tones == ["alarm", "quiet"], "budget anew, then heard"

    bench.clock.run(main())


def test_system_down_sounds_once_an_outage_whatever_restarts_meanwhile(bench):
    async def main():
        bench.far_end.alerts_up = False
        for _ in range(4):
            async with bench.running(bench.gateway()):
                await bench.clock.sleep(200)
        assert bench.siren.tones == ["system_down", "quiet"]
        bench.far_end.alerts_up = True
        async with bench.running(bench.gateway()):
            await bench.clock.sleep(20)
            bench.far_end.alerts_up = False
            await bench.clock.sleep(100)
        assert bench.siren.tones == ["system_down", "quiet"] * 2, "another outage"

    bench.clock.run(main())


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"])
def test_last_nights_alarm_is_sent_again_and_rings_no_more(bench, press, boot):
    async def main():
        bench.far_end.alerts_up = bench.far_end.ingest_up = False
        async with bench.running(bench.gateway()):
            press(bench, 1)
            await bench.clock.sleep(1)
        await bench.clock.sleep(OLD_ALARM_NS / 1e9)
        bench.far_end.events.clear()
        async with bench.running(bench.gateway(boot=boot)):
            await bench.clock.sleep(50)
            assert "alarm" not in bench.siren.tones
            assert helps(bench), "nothing is lost: it is sent, and pages"

    bench.clock.run(main())


def test_an_alarm_whose_age_nobody_can_know_is_treated_as_now(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway()):
            press(bench, 1)
            await bench.clock.sleep(1)
        await bench.clock.sleep(8 * HOUR_S)
        bench.clock.set_synced(False)
        async with bench.running(bench.gateway(boot="boot-2")):
            await bench.clock.sleep(20)
            assert bench.siren.now == "alarm"

    bench.clock.run(main())


def test_after_a_restart_it_is_known_whom_nobody_has_answered(bench, press):
    async def main():
        async with bench.running(bench.gateway()):
            press(bench, 1)
            await bench.clock.sleep(5)
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway()):
            await bench.clock.sleep(40)
            assert bench.siren.now == "alarm", "receipted, and the service is silent since"
        bench.siren.log.clear()
        bench.far_end.alerts_up = True
        bench.far_end.alerts = [item(helps(bench)[0], state=IncidentState.ARRIVED, sound=False)]
        async with bench.running(bench.gateway()):
            await bench.clock.sleep(10)
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway()):
            await bench.clock.sleep(50)
        assert bench.siren.tones == [], "somebody is there"

    bench.clock.run(main())


def test_one_answer_is_for_all_that_is_known_of_one_fall(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        gateway = bench.gateway()
        async with bench.running(gateway):
            press(bench, 1)
            await bench.clock.sleep(1)
            (first,) = helps(bench)
            entry = gateway.outbox.pending[first.id]
            for number, kind in ((2, EventKind.FALL_DETECTED), (3, EventKind.LONG_LIE)):
                event = msgspec.structs.replace(first, id=f"event-{number}", kind=kind)
                await gateway.outbox.put(
                    event, at_monotonic_ns=entry.at_monotonic_ns, now_monotonic_ns=entry.since_ns
                )
            await bench.clock.sleep(20)
            assert bench.siren.now == "alarm"
            await gateway.acknowledge(first.id)
            await bench.clock.sleep(20)
            assert bench.siren.now is None
            later = msgspec.structs.replace(first, id="event-4", kind=EventKind.LONG_LIE)
            now_ns = bench.clock.monotonic_ns()
            await gateway.outbox.put(later, at_monotonic_ns=now_ns, now_monotonic_ns=now_ns)
            await bench.clock.sleep(17)
            assert bench.siren.now == "alarm", "a long lie after the answer: nobody has come"

    bench.clock.run(main())


def test_an_answer_that_alerts_never_takes_is_not_believed_for_ever(bench, press):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            press(bench, 1)
            await bench.clock.sleep(1)
            bench.far_end.alerts = [item(helps(bench)[0])]
            await bench.clock.sleep(8)
            assert bench.siren.now == "alarm"
            first = await gateway.acknowledge("incident-1")
            await bench.clock.sleep(SILENCE_HOLDS_NS / 1e9 - 10)
            assert bench.siren.now is None
            await bench.clock.sleep(20)
            assert bench.siren.now == "alarm"
            second = await gateway.acknowledge("incident-1")
            assert second.id != first.id, "told anew"
            await bench.clock.sleep(2)
            assert bench.siren.now is None

    bench.clock.run(main())


def test_an_incident_that_is_raised_again_is_answered_again(bench, press):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            press(bench, 1)
            await bench.clock.sleep(1)
            alarm = helps(bench)[0]
            for round_number in (1, 2):
                bench.far_end.alerts = [item(alarm)]
                await bench.clock.sleep(8)
                assert bench.siren.now == "alarm"
                await gateway.acknowledge("incident-1")
                await bench.clock.sleep(1)
                assert len(answers(bench)) == round_number, "the alert service learns of each"
                bench.far_end.alerts = [item(alarm, state=IncidentState.ACKNOWLEDGED, sound=False)]
                await bench.clock.sleep(8)
                assert bench.siren.now is None

    bench.clock.run(main())


def test_an_answer_to_the_alarm_is_one_to_the_incident_that_it_became(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        gateway = bench.gateway()
        async with bench.running(gateway):
            press(bench, 1)
            await bench.clock.sleep(20)
            await gateway.acknowledge(helps(bench)[0].id)
            bench.far_end.alerts = [item(helps(bench)[0])]
            bench.far_end.alerts_up = True
            bench.siren.log.clear()
            await bench.clock.sleep(60)
            assert bench.siren.tones in ([], ["quiet"]), "while the answer is on its way"

    bench.clock.run(main())


@pytest.mark.parametrize("spoilt", [b"", b"{", b'{"schema": 99}', json.dumps([1]).encode()])
def test_a_spoilt_memory_is_no_memory(bench, press, spoilt):
    async def main():
        folder = bench.folder / "gateway-a"
        folder.mkdir(parents=True)
        (folder / "siren.json").write_bytes(spoilt)
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway()):
            press(bench, 1)
            await bench.clock.sleep(20)
            assert bench.siren.now == "alarm"

    bench.clock.run(main())
