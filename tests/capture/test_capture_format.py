"""What is written is what is read: sealed or not, whole or cut off anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from contract.clock import VirtualClock
from contract.protocols import HeardAdvert
from firmware_sim.capture import (
    AdvertBatch,
    Capture,
    CaptureError,
    CaptureWriter,
    NeighbourRow,
    load_scene,
    save_scene,
    seal_capture,
)
from firmware_sim.capture.format import ADVERTS, CAPTURE_FORMAT, TABLES, CapturedTruth
from firmware_sim.capture.seal import KILLED
from wardlight.roster import DEMO_NAMES, DEMO_STAFF

ADDRESS = "C0:DE:5A:00:00:01"

addresses = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":").upper())
adverts = st.builds(
    HeardAdvert,
    address=addresses,
    rssi_dbm=st.integers(-127, 20),
    manufacturer_data=st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=27), max_size=3),
    service_data=st.dictionaries(st.uuids().map(str), st.binary(max_size=20), max_size=2),
    received_ns=st.integers(0, 2**62),
    local_name=st.just(""),
    service_uuids=st.just(()),
    receiver=st.sampled_from(("", "lounge-esp32")),
)
batches = st.lists(st.lists(adverts, min_size=1, max_size=4), max_size=8)


class Unsealed(NamedTuple):
    """A capture as its writer leaves it when it is killed."""

    folder: Path
    flushes: list[tuple[int, int]]
    """Length of the adverts' file and batches in it, after each flush."""


@pytest.fixture(scope="session")
def unsealed(three_falls, tmp_path_factory) -> Unsealed:
    """`three_falls` once more, not closed."""
    capture = Capture(three_falls.folder)
    folder = tmp_path_factory.mktemp("unsealed") / "capture"
    killed = folder.with_name("killed")
    writer = CaptureWriter(folder, msgspec.structs.replace(capture.scene, ended=None, truth=[]))
    flushes = []

    async def main() -> None:
        batches = 0
        for number, item in enumerate(capture.timeline()):
            if isinstance(item, AdvertBatch):
                writer.advert_batch(item.at_ns, item.adverts)
                batches += 1
            elif isinstance(item, NeighbourRow):
                writer.neighbour(item.at_ns, item.topic, item.payload)
            else:
                _, at_ns, link, address, step, *more = item
                names = ("characteristic", "data", "arrival_ns", "reason")
                writer.link(at_ns, link, address, step, **dict(zip(names, more, strict=True)))
            if number % 100 == 0:
                await writer.flush()
                flushes.append((ADVERTS.unsealed(folder).stat().st_size, batches))
        await writer.flush()
        flushes.append((ADVERTS.unsealed(folder).stat().st_size, batches))
        shutil.copytree(folder, killed)
        await writer.close(0, "the fixture is made")

    VirtualClock().run(main())
    return Unsealed(killed, flushes)


def write(writer: CaptureWriter, *, close: bool = True) -> None:
    """Everything that waits to the disk, and the end if there is to be one."""

    async def main() -> None:
        await writer.flush()
        if close:
            await writer.close(10**9, "the test was over")

    VirtualClock().run(main())


def test_a_capture_from_before_there_were_receivers_reads_as_heard_here(tmp_path, make_scene):
    folder = tmp_path / "capture"
    heard = [HeardAdvert("C0:DE:5A:00:00:01", -60, {1: b"x"}, {}, 7)]
    writer = CaptureWriter(folder, make_scene())
    writer.advert_batch(7, heard)
    write(writer)
    seal_capture(folder)
    sealed = ADVERTS.sealed(folder)
    older = parquet.read_table(sealed).drop_columns(["receiver"])
    parquet.write_table(older, sealed)
    assert [list(each.adverts) for each in Capture(folder).adverts()] == [heard]


@settings(deadline=None, max_examples=40)
@given(batches)
def test_every_advert_comes_back_as_it_was_heard(tmp_path_factory, make_scene, heard):
    folder = tmp_path_factory.mktemp("adverts") / "capture"
    writer = CaptureWriter(folder, make_scene())
    for at_ns, batch in enumerate(heard):
        writer.advert_batch(at_ns, batch)
    write(writer)
    assert [list(each.adverts) for each in Capture(folder).adverts()] == heard
    seal_capture(folder)
    assert Capture(folder).sealed
    assert [list(each.adverts) for each in Capture(folder).adverts()] == heard


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1))
def test_cut_off_anywhere_every_flush_before_the_cut_is_read(unsealed, tmp_path, share):
    cut = tmp_path / "cut"
    shutil.rmtree(cut, ignore_errors=True)
    shutil.copytree(unsealed.folder, cut)
    path = ADVERTS.unsealed(cut)
    size = round(path.stat().st_size * share)
    with path.open("r+b") as file:
        file.truncate(size)
    whole = max((rows for end, rows in unsealed.flushes if end <= size), default=0)
    everything = list(Capture(unsealed.folder).adverts())
    assert list(Capture(cut).adverts()) == everything[:whole]


def test_a_killed_capture_reads_like_a_sealed_one_and_is_sealed(three_falls, unsealed, tmp_path):
    killed = tmp_path / "killed"
    shutil.copytree(unsealed.folder, killed)
    before = list(Capture(killed).timeline())
    assert before == list(Capture(three_falls.folder).timeline())
    assert not Capture(killed).sealed
    sealed = seal_capture(killed)
    assert list(Capture(killed).timeline()) == before
    assert load_scene(killed).ended.reason == KILLED
    assert load_scene(killed).ended.monotonic_ns == before[-1].at_ns
    assert sealed.counts == three_falls.report.counts
    assert sealed.samples == three_falls.report.samples


def test_sealing_may_be_killed_at_any_step_and_done_again(unsealed, tmp_path):
    killed = tmp_path / "killed"
    shutil.copytree(unsealed.folder, killed)
    before = list(Capture(killed).timeline())
    streams = {table: table.unsealed(killed).read_bytes() for table in TABLES}
    first = seal_capture(killed)
    for table in TABLES:
        # Killed after the parquet was there and before the stream was removed.
        table.unsealed(killed).write_bytes(streams[table])
        table.sealed(killed).with_suffix(".part").write_bytes(b"half of it")
    assert list(Capture(killed).timeline()) == before
    assert seal_capture(killed) == first
    assert list(Capture(killed).timeline()) == before
    assert not any(table.unsealed(killed).exists() for table in TABLES)


def test_a_capture_holds_no_name(three_falls):
    names = [*DEMO_NAMES, *(person.name for person in DEMO_STAFF)]
    # Chinese and the rest apart; "Mrs Ho" is a name, "Ho" stands in Hong Kong, too.
    words = {part for name in names for part in name.split(" ", 1)}
    texts = [path for path in three_falls.folder.rglob("*") if path.is_file()]
    assert len(texts) >= 5
    for path in texts:
        if path.suffix == ".parquet":
            content = str(parquet.read_table(path).to_pylist())
        else:
            content = path.read_text("utf-8")
        assert not [word for word in words if word in content], path
    for wearable in load_scene(three_falls.folder).wearables:
        assert wearable.resident.startswith("resident-")


def test_the_simulators_truth_is_in_the_scene(three_falls):
    scene = load_scene(three_falls.folder)
    truth = three_falls.simulation.truth
    assert {(line.resident, line.what) for line in scene.truth} >= {
        ("resident-1", "fall_impact"),
        ("resident-3", "fall_impact"),
        ("resident-5", "presses_button"),
    }
    at_us = sorted(entry.at_us for entry in truth)
    assert [round(scene.truth_at(line).timestamp() * 1e6) for line in scene.truth] == at_us


def test_a_person_writes_what_happened_in_the_homes_own_time(three_falls, tmp_path):
    shutil.copy(three_falls.folder / "scene.yaml", tmp_path)
    text = (tmp_path / "scene.yaml").read_text("utf-8")
    text = text[: text.index("truth:\n")]
    text += (
        "truth:\n- at: 2026-01-02 04:03:00\n  resident: resident-2\n  what: 跌倒 seen by a nurse\n"
    )
    (tmp_path / "scene.yaml").write_text(text, "utf-8")
    scene = load_scene(tmp_path)
    (line,) = scene.truth
    assert line.what == "跌倒 seen by a nurse"
    assert scene.truth_at(line) == datetime(2026, 1, 1, 20, 3, tzinfo=UTC)
    save_scene(tmp_path, scene)
    assert load_scene(tmp_path) == scene


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"format: {CAPTURE_FORMAT}", "format: 99", "format 99 is unknown"),
        ("time_zone: Asia/Hong_Kong", "time_zone: Asia/Atlantis", "Asia/Atlantis"),
        ("home: demo", "homes: demo", "homes"),
        ("identity: 1509949441", "identity: nobody", r"wearables\[0\].identity"),
        ("home: demo", "home: [", "not the scene of a capture"),
    ],
)
def test_a_scene_that_cannot_be_is_refused_with_the_reason(three_falls, tmp_path, old, new, said):
    text = (three_falls.folder / "scene.yaml").read_text("utf-8")
    assert old in text
    (tmp_path / "scene.yaml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(CaptureError, match=said):
        load_scene(tmp_path)


def test_a_damaged_or_foreign_table_is_refused_by_its_name(three_falls, tmp_path):
    folder = tmp_path / "capture"
    shutil.copytree(three_falls.folder, folder)
    (folder / "links.parquet").write_bytes(b"no parquet")
    with pytest.raises(CaptureError, match=r"links\.parquet"):
        list(Capture(folder).timeline())
    shutil.copy(folder / "neighbours.parquet", folder / "links.parquet")
    with pytest.raises(CaptureError, match="links has the columns sequence, at_ns, topic"):
        list(Capture(folder).timeline())
    (folder / "links.parquet").unlink()
    with pytest.raises(CaptureError, match=r"holds no links\.parquet"):
        Capture(folder)


@pytest.mark.parametrize("what", ["a file in it", "a file"])
def test_only_a_new_or_empty_folder_is_written_to(tmp_path, make_scene, what):
    folder = tmp_path / "capture"
    if what == "a file":
        folder.write_text("something")
    else:
        folder.mkdir()
        (folder / "notes.txt").write_text("something")
    with pytest.raises(CaptureError, match="name a new folder"):
        CaptureWriter(folder, make_scene())
    assert [path.read_text() for path in (folder, *tmp_path.rglob("*")) if path.is_file()]


def test_motion_stands_at_the_time_at_which_it_was_measured(three_falls):
    scene = load_scene(three_falls.folder)
    impact_us = {
        line.resident: round(scene.truth_at(line).timestamp() * 1e6)
        for line in scene.truth
        if line.what == "fall_impact"
    }
    for device, resident, source in (
        ("wearable-1", "resident-1", "stream"),
        ("wearable-3", "resident-3", "window"),
    ):
        table = parquet.read_table(three_falls.folder / "motion" / f"{device}.parquet")
        columns = {name: np.asarray(table.column(name)) for name in ("t_ns", "ax", "ay", "az")}
        assert set(table.column("source").to_pylist()) == {source}
        magnitude = np.sqrt(sum(columns[axis].astype(float) ** 2 for axis in ("ax", "ay", "az")))
        assert abs(np.median(magnitude) - 1) < 0.1
        steps_ms = np.diff(columns["t_ns"]) / 1e6
        assert abs(np.median(steps_ms) - 20) < 0.1
        peak_us = columns["t_ns"][magnitude.argmax()] / 1e3
        assert abs(peak_us - impact_us[resident]) < 0.3e6


def test_it_ends_before_the_disk_is_full_and_stays_readable(tmp_path, make_scene, advert):
    clock = VirtualClock()
    writer = CaptureWriter(tmp_path / "capture", make_scene(), reserve_bytes=2**62)

    async def main() -> None:
        writer.advert_batch(0, [advert])
        with pytest.raises(CaptureError, match="are free on its disk"):
            await writer.keep(clock)
        writer.advert_batch(1, [advert])
        await writer.close(2, "the test was over")

    clock.run(main())
    assert [each.at_ns for each in Capture(tmp_path / "capture").adverts()] == [0]
    assert "free on its disk" in load_scene(tmp_path / "capture").ended.reason


FULL = """
import resource, sys
from pathlib import Path
from contract.clock import VirtualClock
from contract.protocols import HeardAdvert
from firmware_sim.capture import CaptureError, CaptureWriter, new_scene

clock = VirtualClock()
scene = new_scene(clock, home="demo", gateway="gateway-a", gateway_zone=None,
                  time_zone="Asia/Hong_Kong", wearables=[], recorded_by="a test")
writer = CaptureWriter(Path(sys.argv[1]), scene, reserve_bytes=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

async def main():
    for second in range(10_000):
        writer.advert_batch(second, [HeardAdvert("C0:DE:5A:00:00:01", -60, {1: b"x" * 24}, {}, 0)])
        if second % 10 == 9:
            await writer.flush()
        if writer.failure is not None:
            print("ended at", second, writer.failure)
            await writer.close(second, "the test was over")
            return

clock.run(main())
"""


def test_a_write_that_fails_ends_it_and_what_was_written_can_be_read(tmp_path):
    folder = tmp_path / "capture"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    second, _, reason = done.stdout.partition("ended at ")[2].partition(" ")
    assert "cannot be written" in reason
    read = list(Capture(folder).adverts())
    assert int(second) - 20 <= len(read) <= int(second) + 1
    sealed = seal_capture(folder)
    assert sealed.counts.adverts == len(read)
    assert list(Capture(folder).adverts()) == read


def test_truth_may_have_lines_without_zone_and_detail(make_scene, tmp_path):
    line = CapturedTruth(at=datetime(2026, 1, 1, tzinfo=UTC), resident="resident-1", what="walks")
    scene = msgspec.structs.replace(make_scene(), truth=[line])
    save_scene(tmp_path, scene)
    assert load_scene(tmp_path) == scene
