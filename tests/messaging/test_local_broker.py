"""What the broker inside the process does beyond the common promises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import topics
from contract.clock import VirtualClock
from contract.protocols import LastWill, Message, NotConnectedError, PublishRefusedError
from messaging import LocalBroker, LocalBus


async def nothing(_: Sequence[Message]) -> None:
    return


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


def test_a_killed_client_stays_dead_and_its_will_is_published() -> None:
    clock = VirtualClock()

    async def main() -> None:
        broker = LocalBroker()
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        watcher = asyncio.create_task(LocalBus(broker, "watcher", clock).run(["wills/#"], hear))
        victim = LocalBus(broker, "victim", clock)
        task = asyncio.create_task(victim.run(["x"], nothing, None, lambda: WILL))
        await clock.sleep(1)
        victim.kill()
        await clock.sleep(3600)
        assert heard == [Message(WILL.topic, WILL.payload)]
        assert broker.clients == {"watcher"}
        assert not victim.connected
        with pytest.raises(NotConnectedError):
            await victim.publish("x", b"")
        await end(task, watcher)
        assert broker.clients == frozenset()

    clock.run(main())


WILL = LastWill("wills/victim", b"gone")


def test_a_client_killed_before_it_connected_never_connects() -> None:
    clock = VirtualClock()

    async def main() -> None:
        broker = LocalBroker()
        bus = LocalBus(broker, "x", clock)
        bus.kill()
        task = asyncio.create_task(bus.run(["x"], nothing, None, lambda: WILL))
        await clock.sleep(60)
        assert broker.clients == frozenset()
        assert broker.retained == {}
        await end(task)

    clock.run(main())


def test_a_dropped_client_comes_back_and_its_will_was_published() -> None:
    clock = VirtualClock()

    async def main() -> None:
        broker = LocalBroker()
        bus = LocalBus(broker, "victim", clock)
        task = asyncio.create_task(bus.run(["x"], nothing, None, lambda: WILL))
        await clock.sleep(1)
        broker.drop("victim")
        assert not bus.connected
        assert broker.retained == {WILL.topic: WILL.payload}
        await clock.sleep(1)
        assert bus.connected
        with pytest.raises(KeyError):
            broker.drop("nobody")
        await end(task)

    clock.run(main())


@pytest.mark.parametrize("keep", [True, False])
def test_an_outage_forgets_what_was_retained_unless_told_otherwise(keep: bool) -> None:
    broker = LocalBroker()
    broker.publish("x", b"kept?", retain=True)
    broker.stop(keep_retained=keep)
    assert not broker.running
    broker.start()
    assert broker.running
    assert ("x" in broker.retained) is keep


def test_a_publish_is_not_acknowledged_if_the_session_breaks_meanwhile() -> None:
    clock = VirtualClock()

    async def main() -> None:
        broker = LocalBroker()
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)
            broker.drop("speaker")

        listener = asyncio.create_task(LocalBus(broker, "listener", clock).run(["x"], hear))
        speaker = LocalBus(broker, "speaker", clock)
        task = asyncio.create_task(speaker.run([], nothing))
        await clock.sleep(1)
        # At least once: it was delivered, and the sender cannot know.
        with pytest.raises(NotConnectedError):
            await speaker.publish("x", b"twice?")
        assert heard == [Message("x", b"twice?")]
        await end(task, listener)

    clock.run(main())


def test_what_came_before_an_outage_is_still_handed_over() -> None:
    clock = VirtualClock()

    async def main() -> None:
        broker = LocalBroker()
        heard: list[Message] = []

        async def slow(messages: Sequence[Message]) -> None:
            await clock.sleep(10)
            heard.extend(messages)

        task = asyncio.create_task(LocalBus(broker, "listener", clock).run(["x"], slow))
        await clock.sleep(1)
        broker.publish("x", b"1")
        await clock.sleep(1)
        broker.publish("x", b"2")
        broker.stop()
        await clock.sleep(60)
        assert [message.payload for message in heard] == [b"1", b"2"]
        await end(task)

    clock.run(main())


def test_a_refusal_says_why() -> None:
    broker = LocalBroker(lambda client, topic: f"{client} may not use {topic}")
    with pytest.raises(PublishRefusedError, match="guest may not use x"):
        broker.publish("x", b"", client_id="guest")


LEVELS = st.sampled_from(["a", "b", "c", ""])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = st.lists(st.one_of(LEVELS, st.just("+")), min_size=1, max_size=4).map("/".join)


@given(
    published=st.lists(st.tuples(TOPICS, st.binary(max_size=3)), max_size=20),
    filters=st.lists(FILTERS.filter(bool), max_size=4),
)
def test_everyone_hears_what_fits_in_order_and_once(
    published: list[tuple[str, bytes]], filters: list[str]
) -> None:
    clock = VirtualClock()
    heard: list[Message] = []

    async def hear(messages: Sequence[Message]) -> None:
        heard.extend(messages)

    async def main() -> None:
        broker = LocalBroker()
        task = asyncio.create_task(LocalBus(broker, "listener", clock).run(filters, hear))
        await clock.sleep(0.1)
        for topic, payload in published:
            broker.publish(topic, payload)
        await clock.sleep(0.1)
        await end(task)

    clock.run(main())
    assert heard == [
        Message(topic, payload)
        for topic, payload in published
        if any(topics.matches(each, topic) for each in filters)
    ]


def test_two_runs_are_the_same_run() -> None:
    def record() -> list[tuple[int, str, bytes]]:
        clock = VirtualClock()
        log: list[tuple[int, str, bytes]] = []

        async def main() -> None:
            broker = LocalBroker()
            buses = [LocalBus(broker, f"bus-{number}", clock) for number in range(5)]

            def handler(index: int):  # type: ignore[no-untyped-def]
                async def handle(messages: Sequence[Message]) -> None:
                    for message in messages:
                        log.append(
                            (clock.monotonic_ns(), f"{index} {message.topic}", message.payload)
                        )
                        if len(message.payload) < 6:
                            with suppress(NotConnectedError):
                                await buses[index].publish(f"x/{index}", message.payload + b".")

                return handle

            tasks = [
                asyncio.create_task(bus.run(["x/#"], handler(index), None, lambda: WILL))
                for index, bus in enumerate(buses)
            ]
            await clock.sleep(1)
            await buses[0].publish("x/0", b"begin")
            await clock.sleep(1)
            broker.stop()
            await clock.sleep(7)
            broker.start()
            await clock.sleep(7)
            await buses[1].publish("x/1", b"again")
            await clock.sleep(1)
            await end(*tasks)

        clock.run(main())
        return log

    first = record()
    assert len(first) > 20
    assert first == record()
