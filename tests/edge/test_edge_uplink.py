"""From outbox to receipts: resending, order, refusal, rejection, siren."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from contract import topics, wire
from contract.events import Event, EventKind, FaultCause, Receiver
from contract.messages import (
    MESSAGE_SCHEMA,
    AlertState,
    AlertStateItem,
    IncidentState,
    Outcome,
    Priority,
    Status,
)
from edge.uplink import (
    BATCHES_PER_S,
    EVENTS_IN_FLIGHT,
    FIRST_RESEND_S,
    LONGEST_ALARM_RESEND_S,
)
from messaging import LocalBus


@pytest.fixture
def pressed(make_advert):
    def press(bench, second: int = 100, counter: int = 1, pending: bool = True) -> None:
        bench.radio.hear(
            "C0:DE:00:00:00:01",
            make_advert(second, button_counter=counter, button_pending=pending),
        )

    return press


def helps(bench) -> list[Event]:
    return [each for each in bench.far_end.events if each.kind is EventKind.HELP_REQUESTED]


def test_a_press_is_an_alarm_at_once_and_is_written_back_when_it_is_durable(bench, pressed):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            pressed(bench)
            await bench.clock.sleep(0.2)
            (event,) = helps(bench)
            assert event.device == "wearable-1"
            assert event.resident == "resident-1"
            assert event.zone == "corridor"
            assert event.key == "resident-1:help:wearable-1:7:1"
            assert event.clock == "synced"
            written = [each[1].name for each in bench.radio.written]
            assert written == ["ACKNOWLEDGE_BUTTON", "SET_TIME"]
            # Repeated until the wearable has taken it: still one alarm.
            for second in range(101, 110):
                pressed(bench, second)
                await bench.clock.sleep(1)
            assert len({each.id for each in helps(bench)}) == 1
            pressed(bench, 111, pending=False)
            await bench.clock.sleep(1)
            pressed(bench, 112, counter=2)
            await bench.clock.sleep(1)
            assert len({each.id for each in helps(bench)}) == 2
            assert not gateway.outbox.pending

    bench.clock.run(main())


def test_without_receipts_an_alarm_is_sent_again_with_its_age(bench, pressed):
    async def main():
        bench.far_end.ingest_up = False
        async with bench.running(bench.gateway()):
            pressed(bench)
            await bench.clock.sleep(60)
            sends = helps(bench)
            assert len({each.id for each in sends}) == 1
            gaps = [
                (after.age_ms - before.age_ms) / 1000 for before, after in itertools.pairwise(sends)
            ]
            assert gaps[:2] == pytest.approx([FIRST_RESEND_S, 2 * FIRST_RESEND_S], abs=0.1)
            assert max(gaps) == pytest.approx(LONGEST_ALARM_RESEND_S, abs=0.1)
            bench.far_end.ingest_up = True
            await bench.clock.sleep(LONGEST_ALARM_RESEND_S + 1)
            count = len(helps(bench))
            await bench.clock.sleep(60)
            assert len(helps(bench)) == count, "receipted by both: sent no more"

    bench.clock.run(main())


def test_after_an_outage_everything_is_sent_alarms_first(bench, pressed):
    async def main():
        async with bench.running(bench.gateway()):
            bench.broker.stop()
            await bench.advertise(30)
            pressed(bench, 140)
            await bench.clock.sleep(120)
            assert not helps(bench)
            before = len(bench.far_end.payloads)
            bench.broker.start()
            await bench.clock.sleep(60)
            branches = [topic.split("/", 4)[4] for _, topic, _ in bench.far_end.payloads[before:]]
            first = {each: branches.index(each) for each in reversed(branches)}
            assert first["event/help_requested"] < first["event/fault"]
            assert helps(bench)[0].age_ms > 100_000
            assert [batch.sequence for batch in bench.far_end.batches][:3] == [1, 2, 3]

    bench.clock.run(main())


def test_after_days_offline_a_live_alarm_overtakes_the_backlog(bench, pressed):
    async def main():
        gateway = bench.gateway()
        publish = bench.bus.publish

        async def slowly(topic, payload, **options):
            await bench.clock.sleep(0.5)
            await publish(topic, payload, **options)

        bench.bus.publish = slowly
        async with bench.running(gateway):
            bench.broker.stop()
            for counter in range(1, 250):
                pressed(bench, 100 + counter, counter)
                await bench.clock.sleep(1)
            bench.broker.start()
            while not helps(bench):
                await bench.clock.sleep(0.1)
            assert len(gateway.outbox.pending) > 2 * EVENTS_IN_FLIGHT
            pressed(bench, 400, 250)
            await bench.clock.sleep(60)
            keys = [each.key.rpartition(":")[2] for each in helps(bench)]
            assert keys.index("250") < 3 * EVENTS_IN_FLIGHT, "behind what was on its way, no more"
            assert len(set(keys)) == 250

    bench.clock.run(main())


def test_a_backlog_of_telemetry_goes_out_at_its_pace(bench):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            bench.broker.stop()
            await bench.advertise(3_000)
            bench.broker.start()
            while not bench.far_end.batches:
                await bench.clock.sleep(0.1)
            began = bench.clock.monotonic_ns()
            waiting = len(gateway.telemetry_outbox.pending)
            assert waiting > 250
            while len(bench.far_end.batches) < waiting:
                await bench.clock.sleep(0.1)
            taken_s = (bench.clock.monotonic_ns() - began) / 1e9
            assert taken_s == pytest.approx(waiting / BATCHES_PER_S, rel=0.1)
            numbers = [each.sequence for each in bench.far_end.batches]
            assert numbers == sorted(set(numbers)), "each once"

    bench.clock.run(main())


def test_an_alarm_of_another_boot_has_no_age(bench, pressed):
    async def main():
        bench.far_end.alerts_up = False
        async with bench.running(bench.gateway()):
            pressed(bench)
            await bench.clock.sleep(1)
        assert helps(bench)[0].age_ms is not None
        bench.far_end.events.clear()
        async with bench.running(bench.gateway(boot="boot-2")):
            await bench.clock.sleep(1)
        (event,) = helps(bench)
        assert event.age_ms is None
        assert event.session == "session-1"

    bench.clock.run(main())


def test_a_rejected_alarm_sounds_the_siren_and_becomes_a_dead_letter(bench, pressed):
    async def main():
        bench.far_end.reject[EventKind.HELP_REQUESTED] = (Receiver.INGEST, "schema unknown")
        gateway = bench.gateway()
        async with bench.running(gateway):
            pressed(bench)
            await bench.clock.sleep(3)
            assert bench.siren.now == "alarm"
            (fault,) = bench.far_end.faults(FaultCause.EVENT_REJECTED)
            assert "schema unknown" in fault.detail
            ((letter, by, why),) = await gateway.outbox.dead_letters()
            assert (letter.kind, by, why) == (
                EventKind.HELP_REQUESTED,
                "ingest",
                "schema unknown",
            )
            assert not gateway.outbox.pending
            await gateway.acknowledge(letter.id)
            await bench.clock.sleep(1)
            assert bench.siren.now is None

    bench.clock.run(main())


def test_a_rejected_fault_does_not_breed(bench, pressed):
    async def main():
        no = (Receiver.ALERTS, "no")
        bench.far_end.reject = {EventKind.HELP_REQUESTED: no, EventKind.FAULT: no}
        async with bench.running(bench.gateway()):
            pressed(bench)
            await bench.clock.sleep(60)
            assert len(bench.far_end.faults(FaultCause.EVENT_REJECTED)) == 1

    bench.clock.run(main())


def test_a_refused_publish_is_a_fault_with_the_reason(bench, pressed):
    def refuses(_client: str, topic: str) -> str | None:
        return "not authorised" if topic.endswith("help_requested") else None

    async def main():
        bench.broker._refuses = refuses
        async with bench.running(bench.gateway()):
            pressed(bench)
            await bench.clock.sleep(20)
            (fault,) = bench.far_end.faults(FaultCause.PUBLISH_REFUSED)
            assert "not authorised" in fault.detail
            assert bench.siren.now == "alarm", "it reaches nobody"
            bench.broker._refuses = None
            await bench.clock.sleep(20)
            assert helps(bench)
            assert bench.siren.now is None

    bench.clock.run(main())


def test_alerts_down_the_siren_sounds_after_15_s_and_says_system_down_once(bench, pressed):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(20)
            bench.far_end.alerts_up = False
            pressed(bench, 130)
            went = bench.clock.monotonic_ns() / 1e9
            await bench.clock.sleep(14)
            assert bench.siren.log == []
            await bench.clock.sleep(2)
            assert bench.siren.now == "alarm"
            assert bench.siren.log[0][0] - went == pytest.approx(15.5, abs=1.0)
            bench.far_end.alerts_up = True
            await bench.clock.sleep(12)
            assert bench.siren.now is None, "receipted, and the alert service is there"

    bench.clock.run(main())


def test_the_heartbeat_is_missing_the_system_down_tone_sounds_once(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(20)
            bench.far_end.alerts_up = False
            went = bench.clock.monotonic_ns() / 1e9
            await bench.advertise(3_600, first=120)
            assert bench.siren.tones == ["system_down", "quiet"]
            assert bench.siren.log[0][0] - went == pytest.approx(58, abs=4)
            bench.far_end.alerts_up = True
            await bench.advertise(10, first=4_000)
            bench.far_end.alerts_up = False
            await bench.advertise(100, first=4_010)
            assert bench.siren.tones == ["system_down", "quiet"] * 2

    bench.clock.run(main())


def test_receipted_but_nobody_known_to_come_when_the_heartbeat_stops(bench, pressed):
    async def main():
        async with bench.running(bench.gateway()):
            pressed(bench)
            await bench.clock.sleep(5)
            assert bench.siren.log == []
            bench.far_end.alerts_up = False
            await bench.clock.sleep(40)
            assert bench.siren.now == "alarm"

    bench.clock.run(main())


@pytest.mark.parametrize("state", [IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED])
def test_the_sounder_follows_the_alert_state(bench, pressed, state):
    async def main():
        async with bench.running(bench.gateway()):
            pressed(bench)
            await bench.clock.sleep(1)
            item = AlertStateItem(
                incident="incident-1",
                state=IncidentState.OPEN,
                priority=Priority.HIGH,
                kind="help_requested",
                opened_at_us=1,
                event_ids=[helps(bench)[0].id],
                device="wearable-1",
                bed="2/F 211-A",
                sound=True,
            )
            bench.far_end.alerts = [item]
            await bench.clock.sleep(8)
            assert bench.siren.now == "alarm"
            bench.far_end.alerts = [msgspec.structs.replace(item, state=state, sound=False)]
            await bench.clock.sleep(8)
            assert bench.siren.now is None
            felt = [each for each in bench.radio.written if each[1].name == "VIBRATE"]
            assert len(felt) == (state is IncidentState.ACKNOWLEDGED)

    bench.clock.run(main())


def test_an_acknowledgement_at_the_gateway_is_one_event_and_stops_the_siren(bench, pressed):
    async def main():
        bench.far_end.alerts_up = False
        gateway = bench.gateway()
        async with bench.running(gateway):
            pressed(bench)
            await bench.clock.sleep(20)
            assert bench.siren.now == "alarm"
            first = await gateway.acknowledge(helps(bench)[0].id)
            again = await gateway.acknowledge(helps(bench)[0].id)
            assert first == again
            await bench.clock.sleep(5)
            assert bench.siren.now is None
            (event,) = bench.far_end.of(EventKind.ACKNOWLEDGED)
            assert (event.incident, event.by) == (helps(bench)[0].id, "siren-button")

    bench.clock.run(main())


def test_an_older_alert_state_and_a_retained_one_are_no_heartbeat(bench):
    def state(session: str, sequence: int) -> bytes:
        return wire.encode(
            AlertState(schema=MESSAGE_SCHEMA, session=session, sequence=sequence, at_us=0)
        )

    async def main():
        topic = topics.build("demo", "gateway-a", "alert_state")
        bench.far_end.alerts_up = False
        bench.broker.publish(topic, state("kept", 1), retain=True)
        gateway = bench.gateway()
        async with bench.running(gateway):
            heard = gateway.siren.policy.heartbeat_ns
            bench.broker.publish(topic, state("new", 5))
            await bench.clock.sleep(1)
            assert gateway.siren.policy.heartbeat_ns > heard
            heard = gateway.siren.policy.heartbeat_ns
            for payload in (state("new", 5), state("new", 4), state("kept", 9)):
                bench.broker.publish(topic, payload)
            await bench.clock.sleep(1)
            assert gateway.siren.policy.heartbeat_ns == heard

    bench.clock.run(main())


def test_status_says_who_how_and_goodbye(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(35)
        online = [each for each in bench.far_end.statuses if each.online]
        assert len(online) == 4
        assert online[-1].beds == ["2/F 211-A"]
        assert online[-1].counts["adverts_heard"] >= 25
        assert [each.sequence for each in online] == [1, 2, 3, 4]
        kept = wire.decode(
            bench.broker.retained[topics.build("demo", "gateway-a", "status")], Status
        )
        assert not kept.online
        assert kept.sequence == 5

    bench.clock.run(main())


def test_receipts_lost_and_doubled_change_nothing(bench, pressed):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            pressed(bench)
            await bench.clock.sleep(1)
            (event,) = helps(bench)
            for by in (Receiver.ALERTS, Receiver.INGEST, Receiver.ALERTS):
                bench.far_end.receipt("gateway-a", by, Outcome.DUPLICATE, [event.id, "stranger"])
            bench.broker.publish(topics.build("demo", "gateway-a", "receipt"), b"{garbage")
            await bench.clock.sleep(1)
            assert not gateway.outbox.pending
            assert gateway.outbox.unknown_receipts == 6
            assert gateway.counts["rejected: a message from the broker"] == 1

    bench.clock.run(main())


def test_a_publish_that_hangs_holds_up_no_later_alarm(bench, pressed):
    class Stubborn:
        """A broker that never acknowledges the first event it is given."""

        def __init__(self, bus):
            self._bus, self._stuck = bus, None

        def __getattr__(self, name):
            return getattr(self._bus, name)

        async def publish(self, topic, payload, *, retain=False):
            if topics.EVENT in topic.split("/"):
                event = wire.decode(payload, Event)
                self._stuck = self._stuck or event.id
                if event.id == self._stuck:
                    await bench.clock.sleep(3600)
            await self._bus.publish(topic, payload, retain=retain)

    async def main():
        gateway = bench.gateway(bus=Stubborn(LocalBus(bench.broker, "gateway-a", bench.clock)))
        async with bench.running(gateway):
            pressed(bench, 100, counter=1)
            await bench.clock.sleep(0.2)
            pressed(bench, 101, counter=2)
            await bench.clock.sleep(0.2)
            (second,) = helps(bench)
            assert second.key.endswith(":2")

    bench.clock.run(main())
