"""A calibration walk, written down as it is walked, and learnt from."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.clock import VirtualClock
from contract.messages import Presence
from contract.whereabouts import SensorChange
from evaluation.rooms import SequenceError, WalkRecorder, calibrate, read_sequence

ZONES = ("bedroom", "lounge", "toilet")
GATEWAYS = ("gateway-a", "gateway-b")
STRENGTH = {"bedroom": (-60.0, -85.0), "lounge": (-84.0, -61.0), "toilet": (-78.0, -79.0)}


def recorder(
    folder: Path, clock: VirtualClock, gateways: tuple[str, ...] = GATEWAYS
) -> WalkRecorder:
    return WalkRecorder(
        folder,
        device="wearable-1",
        zones=ZONES,
        gateways=gateways,
        receivers=("attic",),
        clock=clock,
    )


def presence(gateway: str, sequence: int, **said: Any) -> Presence:
    return Presence(
        schema=1, gateway=gateway, session="s", sequence=sequence, at_us=1, heard={}, **said
    )


async def stay(walk: WalkRecorder, clock: VirtualClock, zone: str | None, seconds: int) -> None:
    """Be somewhere for a while; both gateways tell what they hear, and of a stranger, too."""
    walk.now_in(zone)
    for second in range(seconds):
        for gateway, dbm in zip(GATEWAYS, STRENGTH[zone or "toilet"], strict=True):
            heard = {"wearable-1": dbm + second % 2, "wearable-2": -50.0}
            walk.hear(
                presence(gateway, second, strengths={"": heard}, movement_g={"wearable-1": 0.05})
            )
        await clock.sleep(1.0)
        walk.tick()


def test_what_was_walked_is_read_and_learnt(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        walk = recorder(tmp_path, clock)
        await stay(walk, clock, None, 5)
        for zone in ZONES:
            await stay(walk, clock, zone, 40)
        assert walk.state().zone == "toilet"
        walk.finish()

    clock.run(main())
    read = read_sequence(tmp_path)
    assert read.receivers == (*GATEWAYS, "attic")
    assert set(read.visited) == set(ZONES)
    assert "wearable-2" not in (tmp_path / "seconds.csv").read_text()
    spent = {zone: int((read.zone == read.zones.index(zone)).sum()) for zone in ZONES}
    assert all(37 <= seconds <= 41 for seconds in spent.values()), spent
    bedroom = read.rssi_dbm[0, read.zone == read.zones.index("bedroom")]
    assert np.nanmedian(bedroom) == pytest.approx(-60, abs=1)
    assert np.nanmedian(read.movement_g) == pytest.approx(0.05)
    assert calibrate([read]).is_calibrated


def test_a_walk_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        await stay(recorder(tmp_path, clock), clock, "bedroom", 40)  # killed: nobody finished it
        after = recorder(tmp_path, clock)
        assert after.state().seconds["bedroom"] >= 36
        assert after.state().zone is None
        await stay(after, clock, "lounge", 40)
        after.finish()

    clock.run(main())
    read = read_sequence(tmp_path)
    assert {"bedroom", "lounge"} == set(read.visited)
    assert len(np.unique(read.zone[read.zone >= 0])) == 2


def test_half_a_row_of_a_machine_that_lost_its_power_is_left_out(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        await stay(recorder(tmp_path, clock), clock, "bedroom", 40)
        seconds = tmp_path / "seconds.csv"
        seconds.write_bytes(seconds.read_bytes()[:-9])
        (tmp_path / "pir.csv").write_bytes(b"start,end,name,index\r\n3,4,motion-1,0\r\n5,")
        after = recorder(tmp_path, clock)
        assert after.state().seconds["bedroom"] >= 35
        await stay(after, clock, "lounge", 40)
        after.finish()

    clock.run(main())
    read = read_sequence(tmp_path)
    assert {"bedroom", "lounge"} == set(read.visited)
    assert int(read.active.sum()) == 1
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "seconds.csv").write_text("t,move")
    assert recorder(tmp_path / "new", clock).state().seconds["bedroom"] == 0


def test_a_tap_is_taken_back(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        walk = recorder(tmp_path, clock)
        await stay(walk, clock, "bedroom", 20)
        await stay(walk, clock, "lounge", 10)
        walk.undo()
        assert walk.state().zone is None
        assert walk.state().seconds["lounge"] == 0
        assert walk.state().seconds["bedroom"] >= 16
        walk.undo()
        walk.undo()
        assert walk.state().taps == 0
        walk.finish()

    clock.run(main())
    assert not read_sequence(tmp_path).is_labelled


def test_sensors_are_written_once_though_two_gateways_tell_them_five_times(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        walk = recorder(tmp_path, clock)
        await stay(walk, clock, "bedroom", 5)
        for second in range(5):
            for gateway, number in (("gateway-a", 7), ("gateway-b", 3)):
                change = SensorChange(
                    number=number, device="motion-1", quantity="motion", value=1.0,
                    age_ms=1000 * second,
                )  # fmt: skip
                walk.hear(presence(gateway, 100 + second, changes=[change]))
            await clock.sleep(1.0)
            walk.tick()
        walk.finish()

    clock.run(main())
    read = read_sequence(tmp_path)
    assert read.sensors == ("motion-1",)
    assert int(read.active.sum()) == 1


def test_a_silent_gateway_and_an_unheard_wearable_are_said(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        walk = recorder(tmp_path, clock)
        await stay(walk, clock, "bedroom", 3)
        for second in range(8):
            walk.hear(presence("gateway-a", 50 + second, strengths={"": {}}))
            await clock.sleep(1.0)
            walk.tick()
        state = walk.state()
        assert state.silent == ("gateway-b",)
        assert [each.rssi_dbm for each in state.heard] == [None, None, None]
        assert state.seconds["bedroom"] <= 3, "who is not heard teaches nothing"

    clock.run(main())


def test_another_home_is_another_folder(tmp_path: Path) -> None:
    clock = VirtualClock()

    async def main() -> None:
        recorder(tmp_path, clock)
        with pytest.raises(SequenceError, match="name another folder"):
            recorder(tmp_path, clock, ("gateway-z",))
        with pytest.raises(ValueError, match="no zone 'attic'"):
            recorder(tmp_path, clock).now_in("attic")
        await asyncio.sleep(0)

    clock.run(main())


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    file = tmp_path / "walk"
    file.write_text("not a folder")
    with pytest.raises(SequenceError, match="cannot be written to"):
        recorder(file, VirtualClock())
