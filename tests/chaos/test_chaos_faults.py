"""What chaos injects is what it says it injects."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from contract.clock import SystemClock, VirtualClock
from tools.chaos.clocks import WrongClock, set_wrong
from tools.chaos.inject import Done
from tools.chaos.plan import (
    ALARM_EVERY_S,
    REST_S,
    Fault,
    every_fault,
    home_of_sixty,
    plan_injuries,
    plan_needs,
)
from tools.chaos.proxy import Proxy, Way
from tools.chaos.report import as_text
from tools.chaos.run import Options, Report


def through_proxy(deeds):
    """Run ``deeds(proxy, connect)`` with an echo behind a proxy."""

    async def main():
        async def echo(reader, writer):
            try:
                while data := await reader.read(1_000):
                    writer.write(data)
            except ConnectionError:
                pass  # the link was cut
            finally:
                writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = Proxy(server.sockets[0].getsockname()[1], SystemClock())
        await proxy.start()
        opened = []

        async def connect():
            opened.append(await asyncio.open_connection("127.0.0.1", proxy.port))
            return opened[-1]

        try:
            await deeds(proxy, connect)
        finally:
            for _, writer in opened:
                writer.transport.abort()
            await proxy.stop()
            server.close()
            await asyncio.sleep(0.01)  # for the loop to let go of what was ended

    asyncio.run(main())


async def said(connection, text):
    reader, writer = connection
    writer.write(text)
    return await reader.readexactly(len(text))


def test_a_link_passes_on_what_it_gets_slowly_or_fast():
    async def deeds(proxy, connect):
        connection = await connect()
        assert await said(connection, b"fast") == b"fast"
        proxy.set_way(Way.SLOW)
        assert await said(connection, b"slow") == b"slow"

    through_proxy(deeds)


def test_a_cut_link_ends_connections_and_takes_no_new_ones():
    async def deeds(proxy, connect):
        reader, _ = connection = await connect()
        assert await said(connection, b"here") == b"here"
        proxy.set_way(Way.CUT)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await said(await connect(), b"x")
        proxy.set_way(Way.PASS)
        assert await said(await connect(), b"again") == b"again"

    through_proxy(deeds)


def test_a_hanging_link_keeps_everything_back_and_loses_nothing():
    async def deeds(proxy, connect):
        connection = await connect()
        proxy.set_way(Way.HANG)
        waiting = asyncio.create_task(said(connection, b"late"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        proxy.set_way(Way.PASS)
        assert await waiting == b"late"

    through_proxy(deeds)


def test_a_half_open_link_swallows_what_old_connections_say():
    async def deeds(proxy, connect):
        old = await connect()
        assert await said(old, b"here") == b"here"
        proxy.set_way(Way.HALF_OPEN)
        old[1].write(b"gone")
        assert await said(await connect(), b"new") == b"new"
        proxy.set_way(Way.PASS)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await old[0].readexactly(1)
        assert proxy.swallowed == len(b"gone")

    through_proxy(deeds)


def test_a_wrong_clock_is_wrong_only_about_the_time_of_day(tmp_path):
    right = VirtualClock()
    wrong = WrongClock(right, tmp_path / "clock")
    assert wrong.now_ns() == right.now_ns()
    set_wrong(tmp_path / "clock", -3_600.0, synced=False)
    right.pass_time(10**9)
    assert right.now_ns() - wrong.now_ns() == 3_600 * 10**9
    assert not wrong.synced()
    assert wrong.monotonic_ns() == right.monotonic_ns()


@pytest.mark.parametrize("store", ["sqlite", "influx"])
def test_every_fault_is_planned_with_every_target(store):
    planned = plan_injuries(1, store, 1_000.0)
    assert {(each.fault, each.target) for each in planned} == set(every_fault(store))
    assert {each.fault for each in planned} == set(Fault)
    assert planned == plan_injuries(1, store, 1_000.0)
    assert planned != plan_injuries(2, store, 1_000.0)


def test_alarms_of_one_resident_are_far_apart():
    needs = plan_needs(1, home_of_sixty(), 10_000.0)
    for earlier, later in pairwise(needs):
        assert later.at_s - earlier.at_s > ALARM_EVERY_S[0] - 0.001
    for resident in {need.resident for need in needs}:
        times = [need.at_s for need in needs if need.resident == resident]
        assert all(later - earlier > REST_S - 0.001 for earlier, later in pairwise(times))


def report(tmp_path, *, injected, alarms):
    done = [Done(Fault.KILL, "web", 0, 1)] if injected else []
    return Report(Options(tmp_path, 7), done, [], alarms, alarms, 0, 0, 0, 0, [], [], [])


def test_a_run_without_faults_or_alarms_has_failed(tmp_path):
    assert report(tmp_path, injected=True, alarms=1).passed
    for injected, alarms in ((False, 1), (True, 0)):
        failed = report(tmp_path, injected=injected, alarms=alarms)
        assert not failed.passed
        assert "./run chaos --seed 7" in as_text(failed)
