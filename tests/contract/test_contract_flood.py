"""How much one sender may say: alarms always pass, and honest senders are not held up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contract import topics
from contract.clock import VirtualClock
from contract.flood import ALARM_KINDS, Allowance, FloodGate
from contract.protocols import Message

SMALL = Allowance(messages_per_s=10.0, burst_messages=100.0, bytes_per_s=1e3, burst_bytes=1e4)


def telemetry(sender: str = "gateway-a", size: int = 1) -> Message:
    return Message(topics.build("home", sender, topics.TELEMETRY), bytes(size))


def notice(sender: str = "gateway-a") -> Message:
    return Message(topics.event_topic("home", sender, "fault"), b"{}")


def alarm(sender: str = "gateway-a", size: int = 1) -> Message:
    return Message(topics.event_topic("home", sender, "fall_detected"), bytes(size))


def test_telemetry_is_shed_first_and_alarms_never() -> None:
    gate = FloodGate(VirtualClock(), SMALL)
    assert len(gate.passing([telemetry()] * 1_000)) == 50
    assert len(gate.passing([notice()] * 1_000)) == 50
    assert len(gate.passing([alarm()] * 1_000)) == 1_000
    assert gate.shed == {"telemetry": 950, "other": 950}
    assert gate.flooding() == ["gateway-a"]


def test_a_flood_of_one_takes_nothing_from_another() -> None:
    gate = FloodGate(VirtualClock(), SMALL)
    gate.passing([telemetry("thief")] * 1_000)
    assert gate.passing([telemetry("honest"), notice("honest")]) == [
        telemetry("honest"),
        notice("honest"),
    ]
    assert gate.flooding() == ["thief"]


def test_bytes_count_as_well_as_messages() -> None:
    gate = FloodGate(VirtualClock(), SMALL)
    assert len(gate.passing([telemetry(size=1_000)] * 20)) == 5
    assert len(gate.passing([alarm(size=100_000)])) == 1


def test_a_flood_ends_and_is_forgotten_after_a_minute() -> None:
    clock = VirtualClock()
    gate = FloodGate(clock, SMALL)

    async def main() -> None:
        gate.passing([telemetry()] * 1_000)
        await clock.sleep(10)
        assert len(gate.passing([telemetry()] * 1_000)) == 50
        await clock.sleep(59)
        assert gate.flooding()
        await clock.sleep(2)
        assert not gate.flooding()

    clock.run(main())


def test_what_is_said_at_the_rate_passes_for_ever() -> None:
    clock = VirtualClock()
    gate = FloodGate(clock, SMALL)

    async def main() -> None:
        for _ in range(1_000):
            await clock.sleep(0.1)
            assert gate.passing([telemetry()])

    clock.run(main())
    assert not gate.shed


def test_what_alarms_used_up_is_there_again_within_a_known_time() -> None:
    """However many alarms a sender invented, its honest successor is heard again."""
    clock = VirtualClock()
    gate = FloodGate(clock, SMALL)

    async def main() -> None:
        gate.passing([alarm(size=1_000)] * 10_000)
        assert not gate.passing([notice()])
        await clock.sleep(21)
        assert gate.passing([notice()])

    clock.run(main())


def test_strangers_topics_are_left_to_whoever_reads_them_and_take_no_room() -> None:
    gate = FloodGate(VirtualClock(), SMALL)
    odd = [Message("wardlight/v1/home/UPPER/telemetry", b""), Message("other", b"")]
    assert gate.passing(odd) == odd
    for number in range(5_000):
        gate.passing([telemetry(f"invented-{number}")])
    assert len(gate._buckets) <= 1_024


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["telemetry", "status", *sorted(ALARM_KINDS)[:2], "fault", "junk"]),
            st.integers(0, 20_000),
        )
    )
)
def test_whatever_comes_no_alarm_is_shed_and_the_order_stays(said) -> None:
    gate = FloodGate(VirtualClock(), SMALL)
    messages = [
        Message(
            topics.build("home", sender, what)
            if what in ("telemetry", "status")
            else topics.event_topic("home", sender, what),
            bytes(size),
        )
        for sender, what, size in said
    ]
    passed = gate.passing(messages)
    alarms = [each for each in messages if each.topic.rsplit("/", 1)[1] in ALARM_KINDS]
    assert [each for each in passed if each in alarms] == alarms
    rest = iter(messages)
    assert all(any(each is other for other in rest) for each in passed)
    assert len(passed) + gate.shed.total() == len(messages)


def test_without_an_allowance_everything_passes() -> None:
    gate = FloodGate(VirtualClock(), None)
    assert len(gate.passing([telemetry()] * 100_000)) == 100_000
