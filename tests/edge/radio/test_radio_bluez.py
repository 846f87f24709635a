"""The radio on BlueZ: scans and links, through bleak's own backend and a real message bus."""

from __future__ import annotations

import asyncio

import pytest

from contract.protocols import LinkLostError
from edge import links
from edge.radio.bluez_adapter import MAX_LINKS
from edge.radio.bluez_connect import CONNECT_LIMIT_S, TEARDOWN_S, TURN_S

ADVERT = ({0xFFFF: b"\x01echo"}, {"0000fcd2-0000-1000-8000-00805f9b34fb": b"\x44"}, "Echo")


def test_the_limits_fit_each_other():
    assert TURN_S + TEARDOWN_S < CONNECT_LIMIT_S < links.CONNECT_LIMIT_S


@pytest.mark.parametrize("scan", ["auto", "passive", "active"])
def test_adverts_arrive_as_they_were_said_and_their_strength_moves(play, make_echo, scan):
    async def scene(bench):
        await bench.hears(15)
        for heard in bench.adverts:
            assert (heard.manufacturer_data, heard.service_data, heard.local_name) == ADVERT
            assert (heard.address, heard.receiver) == ("C0:DE:00:00:00:01", "")
        assert len({heard.rssi_dbm for heard in bench.adverts}) > 2, "nothing else changes"
        times = [heard.received_ns for heard in bench.adverts]
        assert times == sorted(times)
        assert bench.batches < len(bench.adverts), "what comes together is handed over together"
        assert bench.radio.troubles() == []

    play(scene, [make_echo()], scan=scan)


def test_a_controller_without_passive_scanning_scans_actively(play, make_echo):
    async def scene(bench):
        await bench.hears(5)

    play(scene, [make_echo()], passive=False)


def test_read_write_and_notifications_in_order(play, make_echo):
    echo = make_echo()
    echo.counts_when_asked = 500

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"
        packets = link.notifications(echo.FLOW)
        # What is asked for after the subscription has begun does not overtake it.
        first = asyncio.ensure_future(anext(packets))
        await asyncio.sleep(0)
        await link.write(echo.VALUE, b"count")
        got = [await first] + [await anext(packets) for _ in range(499)]
        assert [int.from_bytes(data, "little") for data, _ in got] == list(range(500))
        assert [at for _, at in got] == sorted(at for _, at in got)
        assert await link.read(echo.VALUE) == b"count"
        await link.disconnect()
        assert echo.links == []
        assert bench.radio.links == {"hci0": 0}
        with pytest.raises(LinkLostError, match="let go"):
            await link.read(echo.VALUE)
        await link.disconnect()
        # And once more, now that its services are known.
        again = await bench.radio.connect(echo.address)
        assert await again.read(echo.VALUE) == b"count"

    play(scene, [echo])


def test_a_drop_ends_every_call_and_hands_over_what_had_come(play, make_echo):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        packets = link.notifications(echo.FLOW)
        first = asyncio.ensure_future(anext(packets))
        await bench.until(lambda: bool(echo.links) and echo.links[0].subscribed(echo.FLOW))
        bench.bluez.mishaps.let("ReadValue", "hang")
        reading = asyncio.ensure_future(link.read(echo.VALUE))
        waiting = asyncio.ensure_future(link.write(echo.VALUE, b"after it"))
        await bench.until(lambda: bench.bluez.mishaps.met.get("hang") == 1)
        echo.count_to(10)
        await first
        echo.hang_up()
        for call in (reading, waiting):
            with pytest.raises(LinkLostError, match=r"the link to C0:DE:.* was lost"):
                await call
        got = [await anext(packets) for _ in range(9)]
        with pytest.raises(LinkLostError, match="was lost"):
            await anext(packets)
        assert [int.from_bytes(data, "little") for data, _ in got] == list(range(1, 10))
        assert bench.radio.links == {"hci0": 0}

    play(scene, [echo])


def test_what_a_wearable_does_not_have_is_said(play, make_echo):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        with pytest.raises(LinkLostError, match=r"a read failed: .*7a8b00ff"):
            await link.read(echo.NOTHING)
        with pytest.raises(LinkLostError, match=r"a write failed: .*Not Permitted"):
            await link.write(echo.BATTERY, b"1")

    play(scene, [echo])


@pytest.mark.parametrize("mishap", ["abort", "abort-by-local", "not-ready"])
def test_a_failure_of_the_moment_is_tried_again(play, make_echo, mishap):
    echo = make_echo()

    async def scene(bench):
        bench.bluez.mishaps.let("Connect", mishap, times=1)
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"
        assert bench.bluez.mishaps.met == {mishap: 1}

    play(scene, [echo])


@pytest.mark.parametrize("mishap", ["hang", "in-progress", "abort-by-local-silent"])
def test_a_connection_that_never_stands_is_given_up_in_time(play, make_echo, monkeypatch, mishap):
    monkeypatch.setattr("edge.radio.bluez_connect.CONNECT_LIMIT_S", 0.5)
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        bench.bluez.mishaps.let("Connect", mishap)
        # Nor is the disconnection answered that bleak sends when it is cancelled.
        bench.bluez.mishaps.let("Disconnect", "hang")
        began_ns = bench.clock.monotonic_ns()
        with pytest.raises(LinkLostError):
            await bench.radio.connect(echo.address)
        assert bench.clock.monotonic_ns() - began_ns < 3_000_000_000
        bench.bluez.mishaps.clear()
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"
        assert bench.radio.links == {"hci0": 1}

    play(scene, [echo])


@pytest.mark.parametrize("member", ["ReadValue", "WriteValue", "StartNotify"])
def test_a_call_that_is_in_progress_for_ever_ends_the_link(play, make_echo, monkeypatch, member):
    monkeypatch.setattr("edge.radio.bluez_link.CALL_LIMIT_S", 0.3)
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        bench.bluez.mishaps.let(member, "in-progress" if member != "StartNotify" else "hang")
        call = {
            "ReadValue": lambda: link.read(echo.VALUE),
            "WriteValue": lambda: link.write(echo.VALUE, b"x"),
            "StartNotify": lambda: anext(link.notifications(echo.FLOW)),
        }[member]
        with pytest.raises(LinkLostError, match="took longer than"):
            await call()
        await bench.until(lambda: echo.links == [])
        assert bench.radio.links == {"hci0": 0}

    play(scene, [echo])


def test_letting_go_neither_hangs_nor_raises(play, make_echo, monkeypatch):
    monkeypatch.setattr("edge.radio.bluez_link.DISCONNECT_LIMIT_S", 0.3)
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        bench.bluez.mishaps.let("Disconnect", "hang")
        await link.disconnect()
        assert bench.radio.links == {"hci0": 0}
        bench.bluez.mishaps.clear()
        # BlueZ still holds it; the next link is made over it.
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"

    play(scene, [echo])


def test_the_adapter_that_hears_it_better_makes_the_link(play, make_echo):
    near, far = make_echo(1, rssi_dbm=-45.0), make_echo(1, rssi_dbm=-90.0)

    async def scene(bench):
        await bench.until(lambda: min(bench.heard("hci0"), bench.heard("hci1")) > 20)
        link = await bench.radio.connect(near.address)
        assert bench.radio.links == {"hci0": 0, "hci1": 1}
        assert len(near.links) == 1
        await link.disconnect()

    play(scene, [far], [near])


def test_an_adapter_without_a_free_place_leaves_it_to_the_other(play, make_echo):
    crowd = [make_echo(number, rssi_dbm=-45.0) for number in range(1, MAX_LINKS + 2)]
    last = make_echo(MAX_LINKS + 1, rssi_dbm=-85.0)

    async def scene(bench):
        await bench.hears_who(*crowd)
        await bench.until(lambda: bench.heard("hci1") > 3)
        await asyncio.gather(*(bench.radio.connect(each.address) for each in crowd[:MAX_LINKS]))
        assert bench.radio.links == {"hci0": MAX_LINKS, "hci1": 0}
        await bench.radio.connect(last.address)
        assert bench.radio.links == {"hci0": MAX_LINKS, "hci1": 1}
        assert len(last.links) == 1
        assert bench.radio.slots == 2 * MAX_LINKS
        loads = [(load.adapter, load.links, load.heard > 0) for load in bench.radio.loads()]
        assert loads == [("hci0", MAX_LINKS, True), ("hci1", 1, True)]

    play(scene, crowd, [last])


def test_all_places_taken_is_said_at_once(play, make_echo):
    crowd = [make_echo(number) for number in range(1, MAX_LINKS + 2)]

    async def scene(bench):
        await bench.hears_who(*crowd)
        await asyncio.gather(*(bench.radio.connect(each.address) for each in crowd[:MAX_LINKS]))
        with pytest.raises(LinkLostError, match="all links of hci0 are taken"):
            await bench.radio.connect(crowd[-1].address)

    play(scene, crowd)


def test_who_was_never_heard_cannot_be_connected(play, make_echo):
    async def scene(bench):
        await bench.hears(3)
        with pytest.raises(LinkLostError, match="C0:DE:00:00:00:99 is not heard at the moment"):
            await bench.radio.connect("C0:DE:00:00:00:99")

    play(scene, [make_echo()])


def test_only_the_adapters_that_are_named_are_used(play, make_echo):
    one, other = make_echo(1), make_echo(2)

    async def scene(bench):
        await bench.hears(10)
        assert bench.addresses == {other.address}
        assert set(bench.radio.heard) == {"hci1"}

    play(scene, [one], [other], adapters=["hci1"])


def test_that_a_link_comes_or_goes_is_no_advert(play, make_echo):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        echo.silent = True
        await link.read(echo.BATTERY)
        heard = bench.radio.heard["hci0"]
        echo.hang_up()
        await bench.until(lambda: bench.radio.links == {"hci0": 0})
        await bench.clock.sleep(0)
        assert bench.radio.heard["hci0"] - heard <= 1, "at most one that was under way"

    play(scene, [echo])


def test_ten_thousand_notifications_at_once_and_none_is_missing(play, make_echo):
    """The full minute at 10,000/s is in the bench; here the burst that would overrun a queue."""
    one, other = make_echo(1), make_echo(2)
    one.counts_when_asked = other.counts_when_asked = 5_000

    async def scene(bench):
        await bench.hears_who(one, other)

        async def counted(echo):
            link = await bench.radio.connect(echo.address)
            packets = link.notifications(echo.FLOW)
            first = asyncio.ensure_future(anext(packets))
            await asyncio.sleep(0)
            await link.write(echo.VALUE, b"count")
            got = [await first] + [await anext(packets) for _ in range(4_999)]
            return [int.from_bytes(data, "little") for data, _ in got]

        for numbers in await asyncio.gather(counted(one), counted(other)):
            assert numbers == list(range(5_000))

    play(scene, [one, other])


def test_a_reader_that_does_not_read_is_told_and_loses_nothing_in_silence(
    play, make_echo, monkeypatch
):
    monkeypatch.setattr("edge.radio.bluez_link.BACKLOG_LIMIT", 100)
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        packets = link.notifications(echo.FLOW)
        first = asyncio.ensure_future(anext(packets))
        await bench.until(lambda: bool(echo.links) and echo.links[0].subscribed(echo.FLOW))
        echo.count_to(1)
        await first
        echo.count_to(200)
        echo.value = b"done"
        while await link.read(echo.VALUE) != b"done":
            pass
        await bench.until(lambda: packets._is_full)
        got = [await anext(packets) for _ in range(100)]
        assert [int.from_bytes(data, "little") for data, _ in got] == list(range(100))
        with pytest.raises(LinkLostError, match="100 notifications were not taken in time"):
            await anext(packets)

    play(scene, [echo])


def test_a_second_reader_takes_the_place_of_the_first(play, make_echo):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        link = await bench.radio.connect(echo.address)
        waiting = asyncio.ensure_future(anext(link.notifications(echo.FLOW)))
        await bench.until(lambda: bool(echo.links) and echo.links[0].subscribed(echo.FLOW))
        packets = link.notifications(echo.FLOW)
        with pytest.raises(StopAsyncIteration):
            await waiting
        first = asyncio.ensure_future(anext(packets))
        await asyncio.sleep(0)
        echo.count_to(2)
        assert [data[0] for data, _ in (await first, await anext(packets))] == [0, 1]

    play(scene, [echo])


def test_one_link_is_made_at_a_time_and_who_is_out_of_reach_does_not_keep_the_others(
    play, make_echo, monkeypatch
):
    monkeypatch.setattr("edge.radio.bluez_connect.TURN_S", 1.5)
    monkeypatch.setattr("edge.radio.bluez_connect.TEARDOWN_S", 0.2)
    monkeypatch.setattr("edge.radio.calls.FAREWELL_S", 0.2)
    gone, near, other = make_echo(1), make_echo(2), make_echo(3)

    async def scene(bench):
        await bench.hears_who(gone, near, other)
        hung = f"/org/bluez/hci0/dev_{gone.address.replace(':', '_')}"
        bench.bluez.mishaps.let("Connect", "hang", under=hung)
        bench.bluez.mishaps.let("Disconnect", "hang", under=hung)
        trying = asyncio.ensure_future(bench.radio.connect(gone.address))
        await bench.until(lambda: bench.bluez.mishaps.met.get("hang") == 1)
        links = await asyncio.gather(
            bench.radio.connect(near.address), bench.radio.connect(other.address)
        )
        with pytest.raises(LinkLostError, match=r"took longer than 1\.5 s, and others wait"):
            await trying
        for link in links:
            assert await link.read(near.BATTERY) == b"\x57"
        assert bench.radio.links == {"hci0": 2}

    play(scene, [gone, near, other])


def test_who_stops_waiting_for_a_link_leaves_none_behind(play, make_echo):
    echo = make_echo()

    async def scene(bench):
        await bench.hears_who(echo)
        for wait_s in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3):
            connecting = asyncio.ensure_future(bench.radio.connect(echo.address))
            await bench.clock.sleep(wait_s)
            connecting.cancel()
            (ended,) = await asyncio.gather(connecting, return_exceptions=True)
            if isinstance(ended, BaseException):
                await bench.until(lambda: echo.links == [])
            else:
                await ended.disconnect()
            assert bench.radio.links == {"hci0": 0}
        link = await bench.radio.connect(echo.address)
        assert await link.read(echo.BATTERY) == b"\x57"

    play(scene, [echo])
