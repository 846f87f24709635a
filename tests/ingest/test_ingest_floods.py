"""A sender that floods: the others' alarms and its own come through, and it is named."""

from __future__ import annotations

from contract import topics
from contract.flood import Allowance
from contract.messages import Outcome

SMALL = Allowance(messages_per_s=10.0, burst_messages=100.0, bytes_per_s=1e6, burst_bytes=1e7)
JUNK = 5_000


def test_junk_in_front_of_an_alarm_is_shed_and_the_alarm_is_stored(scene, event) -> None:
    scene.allowance = SMALL

    async def scenario() -> None:
        async with scene.serving() as service:
            junk = topics.build("demo", "thief", topics.TELEMETRY)
            for number in range(JUNK):
                await scene.gateway.publish(junk, b"junk %d" % number)
            await scene.send(event(1))
            (receipt,) = scene.receipts()
            assert receipt.outcome is Outcome.STORED
            await scene.clock.sleep(11)
            assert service.health.counts["beyond_allowance"] >= JUNK - 60
            assert service.health.counts["rejected"] <= 60, "the rest was not even read"
            assert "gateway_floods" in scene.statuses[-1].faults
            await scene.clock.sleep(75)
            assert "gateway_floods" not in scene.statuses[-1].faults

    scene.run(scenario)


def test_what_was_shed_is_taken_when_it_comes_again(scene, batch) -> None:
    scene.allowance = SMALL

    async def scenario() -> None:
        async with scene.serving():
            batches = [batch(number) for number in range(1, 201)]
            await scene.send(*batches)
            assert max(each.up_to_sequence for each in scene.receipts()) == 50
            for _ in range(20):
                await scene.clock.sleep(1)
                settled = max((each.up_to_sequence for each in scene.receipts()), default=50)
                await scene.send(*batches[settled:])
            await scene.clock.sleep(1)
            assert max(each.up_to_sequence for each in scene.receipts()) == 200

    scene.run(scenario)
