"""What `contract.protocols.Bus` promises, of each broker that we run on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest

from contract.protocols import LastWill, Message, NotConnectedError, PublishRefusedError


def test_a_message_reaches_those_whose_filter_fits(world: Any) -> None:
    async def scenario() -> None:
        async with (
            world.ear("one", "home/+/event/#", "home/a/status") as one,
            world.ear("other", "home/b/event/fall") as other,
            world.ear("speaker") as speaker,
        ):
            payload = bytes(range(256))
            await speaker.bus.publish("home/a/event/fall", payload)
            await speaker.bus.publish("home/b/event/fall", b"")
            await speaker.bus.publish("home/b/status", b"nobody listens")
            await speaker.bus.publish("home/a/status", b"last")
            await world.until(lambda: len(one.messages) == 3 and len(other.messages) == 1)
            assert one.messages == [
                Message("home/a/event/fall", payload),
                Message("home/b/event/fall", b""),
                Message("home/a/status", b"last"),
            ]
            assert other.messages == [Message("home/b/event/fall", b"")]
            assert speaker.messages == []

    world.run(scenario)


def test_messages_come_in_the_order_of_publishing(world: Any) -> None:
    async def scenario() -> None:
        async with world.ear("listener", "numbers") as listener, world.ear("speaker") as speaker:
            wanted = [b"%d" % number for number in range(600)]
            await asyncio.gather(*(speaker.bus.publish("numbers", each) for each in wanted))
            await world.until(lambda: len(listener.messages) >= len(wanted))
            assert listener.payloads == wanted

    world.run(scenario)


def test_a_slow_handler_gets_the_rest_in_one_batch_and_is_never_entered_twice(world: Any) -> None:
    inside = 0
    entered_at_once = 0

    async def slow(_: Sequence[Message]) -> None:
        nonlocal inside, entered_at_once
        inside += 1
        entered_at_once = max(entered_at_once, inside)
        await world.clock.sleep(0.2)
        inside -= 1

    async def scenario() -> None:
        async with (
            world.ear("listener", "x", on_messages=slow) as listener,
            world.ear("speaker") as speaker,
        ):
            for number in range(100):
                await speaker.bus.publish("x", b"%d" % number)
            await world.until(lambda: len(listener.messages) == 100)
            assert len(listener.batches) < 20
            assert entered_at_once == 1

    world.run(scenario)


def test_a_retained_message_waits_for_those_who_come_later(world: Any) -> None:
    async def scenario() -> None:
        async with world.ear("speaker", "status/+") as speaker:
            await speaker.bus.publish("status/kept", b"old", retain=True)
            await speaker.bus.publish("status/kept", b"new", retain=True)
            await speaker.bus.publish("status/cleared", b"gone soon", retain=True)
            await speaker.bus.publish("status/cleared", b"", retain=True)
            await speaker.bus.publish("status/live", b"not kept")
            await world.until(lambda: len(speaker.messages) == 5)
            assert not any(message.retained for message in speaker.messages)
        async with world.ear("late", "status/+") as late:
            await world.until(lambda: bool(late.messages))
            await world.clock.sleep(0.05)
            assert late.messages == [Message("status/kept", b"new", retained=True)]

    world.run(scenario)


def test_a_defective_handler_ends_run_and_the_will_is_published(
    world: Any, handler_broke_error: type[Exception]
) -> None:
    async def broken(_: Sequence[Message]) -> None:
        raise handler_broke_error

    async def scenario() -> None:
        will = LastWill("wills/defect", b"gone")
        async with (
            world.ear("watcher", "wills/#") as watcher,
            world.ear("speaker") as speaker,
            world.ear("defect", "poke", on_messages=broken, will=lambda: will) as defect,
        ):
            await speaker.bus.publish("poke", b"")
            with pytest.raises(handler_broke_error):
                await defect.task
            assert not defect.bus.connected
            await world.until(lambda: bool(watcher.messages))
            assert watcher.messages == [Message("wills/defect", b"gone")]
        async with world.ear("late", "wills/#") as late:
            await world.until(lambda: bool(late.messages))
            assert late.messages == [Message("wills/defect", b"gone", retained=True)]

    world.run(scenario)


def test_a_cancelled_run_says_goodbye_and_leaves_no_will(world: Any) -> None:
    async def scenario() -> None:
        async with world.ear("watcher", "wills/#", "done") as watcher:
            async with world.ear("leaver", will=lambda: LastWill("wills/leaver", b"")) as leaver:
                assert leaver.bus.connected
            assert not leaver.bus.connected
            with pytest.raises(NotConnectedError):
                await leaver.bus.publish("done", b"")
            await watcher.bus.publish("done", b"")
            await world.until(lambda: bool(watcher.messages))
            assert [message.topic for message in watcher.messages] == ["done"]

    world.run(scenario)


def test_an_outage_is_survived(world: Any) -> None:
    wills_made: list[LastWill] = []

    def will() -> LastWill:
        wills_made.append(LastWill("wills/listener", b"%d" % len(wills_made)))
        return wills_made[-1]

    async def scenario() -> None:
        async with (
            world.ear("listener", "x/#", will=will) as listener,
            world.ear("speaker") as speaker,
        ):
            await speaker.bus.publish("x/1", b"before")
            await world.until(lambda: len(listener.messages) == 1)
            for outage in (1, 2):
                await world.stop()
                await world.until(lambda: not (listener.bus.connected or speaker.bus.connected))
                with pytest.raises(NotConnectedError):
                    await speaker.bus.publish("x/2", b"in vain")
                await world.start()
                await world.until(lambda n=outage: listener.connects == speaker.connects == n + 1)
                await speaker.bus.publish("x/3", b"after %d" % outage)
                await world.until(lambda n=outage: len(listener.messages) == 1 + n)
            assert listener.payloads == [b"before", b"after 1", b"after 2"]
            assert len(wills_made) >= 3

    world.run(scenario)


def test_what_is_republished_on_connect_needs_nothing_that_the_broker_kept(world: Any) -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:

            async def republish() -> None:
                await speaker_bus[0].publish("state", b"whole", retain=True)

            speaker_bus: list[Any] = []
            original = world.bus
            world.bus = lambda client_id: speaker_bus.append(original(client_id)) or speaker_bus[-1]
            await stack.enter_async_context(world.ear("speaker", on_connected=republish))
            world.bus = original
            await world.stop()
            await world.until(lambda: not speaker_bus[0].connected)
            await world.start()
            await world.until(lambda: speaker_bus[0].connected)
            late = await stack.enter_async_context(world.ear("late", "state"))
            await world.until(lambda: late.payloads[:1] == [b"whole"])

    world.run(scenario)


def test_without_a_broker_run_keeps_trying(world: Any) -> None:
    async def scenario() -> None:
        await world.stop()
        async with world.ear("early", "x", await_connect=False) as early:
            await world.clock.sleep(0.6)
            assert not early.bus.connected
            assert early.connects == 0
            with pytest.raises(NotConnectedError):
                await early.bus.publish("x", b"")
            await world.start()
            await world.until(lambda: early.bus.connected)

    world.run(scenario)


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#"])
def test_a_malformed_topic_is_refused_and_the_session_stands(world: Any, topic: str) -> None:
    async def scenario() -> None:
        async with world.ear("speaker", "fine") as speaker:
            with pytest.raises(PublishRefusedError):
                await speaker.bus.publish(topic, b"x")
            await speaker.bus.publish("fine", b"x")
            await world.until(lambda: bool(speaker.messages))
            assert speaker.connects == 1

    world.run(scenario)


def test_a_publish_that_the_access_list_forbids_is_refused(guarded_world: Any) -> None:
    async def scenario() -> None:
        async with guarded_world.ear("speaker", "#") as speaker:
            with pytest.raises(PublishRefusedError):
                await speaker.bus.publish("forbidden/alarm", b"fall")
            await speaker.bus.publish("free/alarm", b"fall")
            await guarded_world.until(lambda: bool(speaker.messages))
            assert [message.topic for message in speaker.messages] == ["free/alarm"]
            assert speaker.connects == 1

    guarded_world.run(scenario)


def test_a_second_client_of_one_id_ends_the_first_ones_session(world: Any) -> None:
    if not world.takes_over_clients:
        pytest.skip("amqtt lets two clients of one id stand side by side")

    async def scenario() -> None:
        async with (
            world.ear("watcher", "wills/#") as watcher,
            world.ear("twin", will=lambda: LastWill("wills/twin", b"first")) as first,
            world.ear("twin") as second,
        ):
            await world.until(lambda: watcher.payloads[:1] == [b"first"])
            assert second.connects >= 1
            # Both go on trying: an operator's mistake, and neither may hang on it.
            await world.until(lambda: first.connects >= 2)

    world.run(scenario)
