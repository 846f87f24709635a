"""Who of several gateways tells a slide to the floor."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from contract import topics, wire
from contract.events import EventKind
from contract.messages import MESSAGE_SCHEMA, Presence
from contract.units import NS_PER_S
from edge.lead import LIVE_NS
from edge.presence import Neighbours
from edge.reporter import Sender
from edge.wearables import Roster
from messaging import LocalBus

WALKING = {"mean_g": (-0.9, 0.1, 0.3), "min_g": 0.7, "max_g": 1.4, "deviation_g": 0.15}
LYING = {"mean_g": (0.1, 0.2, 0.97), "min_g": 0.98, "max_g": 1.02, "deviation_g": 0.005}
TOLD_S = 360
"""From the beginning of the walk until the first stage of the slide after it is over, with the
time for which it is left to the nearest."""


async def slide(bench, seconds: int = TOLD_S) -> None:
    """Half a minute on foot, and then she lies."""
    await bench.advertise(30, **WALKING)
    await bench.advertise(seconds - 30, first=130, **LYING)


class Neighbour:
    """Another gateway, as far as presence tells; its signal strength may change by the second."""

    def __init__(self, bench, rssi=lambda _: -50.0, **place) -> None:
        self._bench = bench
        self._rssi = rssi
        self._place = {"zone": "corridor-2", "resting": False} | place
        self.judged: list[str] = []
        self.heard: list[Presence] = []

    async def run(self) -> None:
        for sequence in itertools.count(1):
            presence = Presence(
                schema=MESSAGE_SCHEMA,
                gateway="gateway-b",
                session="b",
                sequence=sequence,
                at_us=0,
                heard={"wearable-1": self._rssi(sequence)},
                judged=self.judged,
                **self._place,
            )
            topic = topics.build("demo", "gateway-b", "presence")
            self._bench.broker.publish(topic, wire.encode(presence))
            await self._bench.clock.sleep(1.0)

    async def listen(self) -> None:
        """To what the other one says."""

        async def take(messages):
            self.heard += [wire.decode(each.payload, Presence) for each in messages]

        topic = topics.build("demo", "gateway-a", "presence")
        await LocalBus(self._bench.broker, "listener", self._bench.clock).run([topic], take)


def stage_told(bench, make_config, resting: bool, neighbour: Neighbour) -> list[float]:
    """When a gateway beside `neighbour` tells a slide, in seconds since it began."""
    gateway = bench.gateway(config=make_config(resting=resting))

    async def main():
        async with bench.running(gateway):
            beside = [asyncio.create_task(neighbour.run()), asyncio.create_task(neighbour.listen())]
            await slide(bench)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    bench.clock.run(main())
    lies = bench.far_end.of(EventKind.LONG_LIE)
    return [(each.emitted_at_us - each.at_us) / 1e6 for each in lies]


def test_the_nearest_tells_at_once_and_says_that_it_has(bench, make_config):
    neighbour = Neighbour(bench, lambda _: -90.0)
    (at_s,) = stage_told(bench, make_config, False, neighbour)
    assert at_s == pytest.approx(304, abs=3)
    judged = ["wearable-1" in each.judged for each in neighbour.heard]
    assert any(judged)
    assert 25 <= sum(judged) <= 35
    assert {(each.zone, each.resting) for each in neighbour.heard[5:]} == {("corridor", False)}


def test_what_the_nearest_has_judged_nobody_else_tells(bench, make_config):
    neighbour = Neighbour(bench)
    neighbour.judged = ["wearable-1"]
    assert stage_told(bench, make_config, False, neighbour) == []


@pytest.mark.parametrize("resting", [True, False])
def test_where_the_nearest_has_noticed_nothing_its_place_decides(bench, make_config, resting):
    """It was restarted, or heard her badly; it stands in a corridor, and she lies there."""
    (at_s,) = stage_told(bench, make_config, resting, Neighbour(bench))
    assert at_s == pytest.approx(319, abs=3)


@pytest.mark.parametrize("place", [{"resting": True}, {"zone": "room-211"}], ids=["chairs", "bed"])
def test_where_the_nearest_stands_people_rest(bench, make_config, place):
    assert stage_told(bench, make_config, False, Neighbour(bench, **place)) == []


def test_who_becomes_the_nearest_in_that_moment_tells(bench, make_config):
    """Whether she is handed over to it just then, or its readings wander."""
    neighbour = Neighbour(bench, lambda second: -50.0 if second < 345 else -90.0, resting=True)
    (at_s,) = stage_told(bench, make_config, False, neighbour)
    assert 304 <= at_s <= 318


def test_who_gets_up_while_it_is_left_to_another_is_not_told_of(bench, make_config):
    gateway = bench.gateway(config=make_config(resting=False))

    async def main():
        async with bench.running(gateway):
            beside = asyncio.create_task(Neighbour(bench).run())
            await slide(bench, 328)
            await bench.advertise(9, first=428, **WALKING)
            assert gateway.slides.awaits("wearable-1")
            await bench.advertise(60, first=437, **WALKING)
            assert not gateway.slides.awaits("wearable-1")
            beside.cancel()

    bench.clock.run(main())
    assert bench.far_end.of(EventKind.LONG_LIE) == []


def test_a_slide_that_is_left_to_another_is_not_lost_with_the_gateway(bench, make_config):
    async def main():
        first = bench.gateway(config=make_config(resting=False))
        async with bench.running(first):
            beside = asyncio.create_task(Neighbour(bench).run())
            await slide(bench, 336)
            assert first.slides.awaits("wearable-1")
            beside.cancel()

            def dead(_):
                raise OSError("this process is gone")

            first.outbox._file._transact = dead
        async with bench.running(bench.gateway(config=make_config(resting=False))):
            await bench.advertise(30, first=440, **LYING)
        assert len(bench.far_end.of(EventKind.LONG_LIE)) == 1

    bench.clock.run(main())


@pytest.mark.parametrize(("one", "other"), [(-60.04, -60.02), (-60.0, -60.0), (-60.05, -59.95)])
def test_of_two_that_hear_alike_exactly_one_is_the_nearest(
    clock, make_config, make_wearable, one, other
):
    """Each knows its own reading to more digits than the other one's."""
    sides = []
    for name, rssi in (("gateway-a", one), ("gateway-b", other)):
        roster = Roster()
        (wearable,) = roster.apply(make_config(make_wearable()))
        wearable.rssi_dbm, wearable.heard_ns = rssi, clock.monotonic_ns()
        sender = Sender("demo", name, f"session-{name}", "boot")
        sides.append((Neighbours(sender, 1, roster, clock), wearable))
    said = [wire.decode(side.message({}), Presence) for side, _ in sides]
    for (side, _), presence in zip(sides, reversed(said), strict=True):
        side.hear(presence)
    assert sorted(side.rank(wearable) for side, wearable in sides) == [0, 1]
    nearest = [side.nearest(wearable) for side, wearable in sides]
    assert sorted(each is None for each in nearest) == [False, True]


def test_a_gateway_that_is_gone_is_left_nothing(clock, make_config, make_wearable):
    roster = Roster()
    (wearable,) = roster.apply(make_config(make_wearable()))
    side = Neighbours(Sender("demo", "gateway-a", "a", "boot"), 1, roster, clock)
    wearable.rssi_dbm, wearable.heard_ns = -80.0, clock.monotonic_ns()
    side.hear(
        Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-b",
            session="b",
            sequence=1,
            at_us=0,
            heard={"wearable-1": -50.0},
            judged=["wearable-1"],
        )
    )
    assert side.nearest(wearable).gateway == "gateway-b"
    assert side.has_judged(wearable)

    async def main():
        await clock.sleep(LIVE_NS / NS_PER_S + 1)

    clock.run(main())
    assert side.nearest(wearable) is None
    assert not side.has_judged(wearable)
