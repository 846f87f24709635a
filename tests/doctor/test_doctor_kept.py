"""Store, records and disks: real files, real damage."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from alembic import command

from alerts import Database, Directory
from alerts.records import migrate
from contract.clock import SystemClock, now_us
from contract.telemetry import TELEMETRY_SCHEMA, SummaryPoint, TelemetryBatch
from ingest import SqliteStore
from tools.time_series import Influxd, ServerMissingError
from wardlight.doctor import Level
from wardlight.doctor.context import Context
from wardlight.doctor.disk import examine as examine_disk
from wardlight.doctor.disk import folder as disk_folder
from wardlight.running import open_database
from wardlight.settings import InfluxSettings
from wardlight.stores import databases_of, open_server


def fill_store(path: Path, received_at_us: int, batches: int = 1) -> None:
    async def main() -> None:
        store = SqliteStore.open(path)
        points = [
            SummaryPoint(device="wearable-1", resident="resident-1", at_us=received_at_us + second)
            for second in range(200)
        ]
        written = [
            TelemetryBatch(
                schema=TELEMETRY_SCHEMA,
                home="demo",
                gateway="gateway-a",
                session="s",
                sequence=number,
                boot="b",
                clock="synced",
                sent_at_us=received_at_us,
                points=points,
            )
            for number in range(1, batches + 1)
        ]
        await store.write([], written, received_at_us)
        await store.close()

    asyncio.run(main())


def test_a_store_of_just_now_is_in_order(looking, found) -> None:
    settings = looking.settings()
    fill_store(settings.ingest.store, now_us(SystemClock()))
    report = looking.now(settings, "store")
    assert report.level is Level.OK, report
    assert found(report, "store / newest data").figures["age_s"] < 60


@pytest.mark.parametrize(
    ("age_s", "level"), [(20, Level.OK), (120, Level.WARNING), (7_200, Level.FAULT)]
)
def test_the_age_of_the_newest_data_decides(looking, found, age_s: int, level: Level) -> None:
    settings, clock = looking.settings(), SystemClock()
    fill_store(settings.ingest.store, now_us(clock) - age_s * 1_000_000)
    entry = found(looking.now(settings, "store"), "store / newest data")
    assert entry.level is level
    assert entry.figures["age_s"] == pytest.approx(age_s, abs=5)


def test_no_store_is_a_fault_and_none_is_made(looking, found) -> None:
    settings = looking.settings()
    report = looking.now(settings, "store", "records", "disk")
    assert found(report, "store / file").level is Level.FAULT
    assert found(report, "records / database").level is Level.FAULT
    assert found(report, "disk / store").found.startswith(str(looking.folder))
    assert list(looking.folder.iterdir()) == [], "a doctor leaves nothing behind"


@pytest.mark.parametrize(("version", "said"), [(99, "Update Wardlight"), (0, "Restart")])
def test_a_store_of_another_version_is_a_fault(looking, found, version: int, said: str) -> None:
    settings = looking.settings()
    fill_store(settings.ingest.store, now_us(SystemClock()))
    with closing(sqlite3.connect(settings.ingest.store)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    entry = found(looking.now(settings, "store"), "store / file")
    assert entry.level is Level.FAULT
    assert said in entry.advice


def test_damage_is_found(looking, found) -> None:
    settings = looking.settings()
    path = settings.ingest.store
    fill_store(path, now_us(SystemClock()), batches=50)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(os.urandom(64 * 1024))
    entry = found(looking.now(settings, "store"), "store / damage")
    assert entry.level is Level.FAULT
    assert "damaged" in entry.found


def test_what_is_no_database_is_a_fault(looking, found) -> None:
    settings = looking.settings()
    settings.ingest.store.write_bytes(b"not a database" * 1000)
    (looking.folder / "records.sqlite").write_bytes(b"not a database" * 1000)
    report = looking.now(settings, "store", "records")
    assert "not a database" in found(report, "store / file").found
    assert "not a database" in found(report, "records / database").found


def open_records(settings, revision: str | None = None) -> None:
    """Make the records, or only those that an older program would have made."""
    if revision is None:
        open_database(settings, SystemClock()).close()
        return
    database = Database(settings.alerts.database)
    config = migrate.configuration()
    with database.engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    database.close()


def test_records_of_this_program_are_in_order(looking, found) -> None:
    settings = looking.settings()
    open_records(settings)
    report = looking.now(settings, "records", "people")
    for title in ("records / database", "records / tables", "records / open faults"):
        assert found(report, title).level is Level.OK, found(report, title)
    assert "SQLite" in found(report, "records / database").found
    assert found(report, "people / on duty").found == "3 of 3 people on duty"


def test_a_missing_migration_is_a_fault_and_stays_missing(looking, found) -> None:
    settings = looking.settings()
    open_records(settings, "0001")
    for _ in range(2):
        entry = found(looking.now(settings, "records"), "records / tables")
        assert entry.level is Level.FAULT
        assert entry.found.startswith("the tables are at 0001; this program needs 0")
        assert "Back the records up" in entry.advice


def test_records_of_a_newer_program_and_empty_ones_are_faults(looking, found) -> None:
    settings = looking.settings()
    path = looking.folder / "records.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    assert "no tables" in found(looking.now(settings, "records"), "records / tables").found
    path.unlink()
    open_records(settings)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    entry = found(looking.now(settings, "records"), "records / tables")
    assert entry.level is Level.FAULT
    assert "9999" in entry.found
    assert "Update Wardlight" in entry.advice


def test_a_server_that_is_not_there_is_a_fault_without_its_password(looking, found) -> None:
    url = "postgresql+psycopg://ward:secret@127.0.0.1:1/wardlight"
    entry = found(
        looking.now(looking.settings(alerts={"database": url}), "records"), "records / database"
    )
    assert entry.level is Level.FAULT
    assert entry.advice
    assert "secret" not in entry.found + entry.advice


def test_records_on_postgresql(looking, found, request) -> None:
    pytest.importorskip("psycopg")
    server = request.getfixturevalue("postgresql")
    url = server.make_database("doctor")
    try:
        settings = looking.settings(alerts={"database": url})
        assert "no tables" in found(looking.now(settings, "records"), "records / tables").found
        open_records(settings)
        report = looking.now(settings, "records", "people")
        for title in ("records / database", "records / tables", "records / open faults"):
            assert found(report, title).level is Level.OK, found(report, title)
        assert "PostgreSQL" in found(report, "records / database").found
        assert found(report, "people / on duty").level is Level.OK
        assert "disk / records" not in {f"{each.group} / {each.check}" for each in report.entries}
    finally:
        server.drop_database("doctor")


@pytest.mark.parametrize("url", ["no url at all", "oracel://x/y"])
def test_records_nobody_understands(looking, found, url: str) -> None:
    settings = looking.settings(alerts={"database": url})
    entry = found(looking.now(settings, "records"), "records / database")
    assert entry.level is Level.FAULT
    assert "[alerts]" in entry.advice


def test_nobody_on_duty_calls_everyone(looking, found) -> None:
    settings = looking.settings()
    clock = SystemClock()
    database = open_database(settings, clock)
    directory = Directory(database, "demo", clock)
    for person in settings.staff:
        directory.set_on_duty(person.id, False)
    database.close()
    entry = found(looking.now(settings, "people"), "people / on duty")
    assert entry.level is Level.WARNING
    assert "calls all 3" in entry.found


def test_open_faults_are_named_with_bed_and_remedy(looking, found) -> None:
    settings, clock = looking.settings(), SystemClock()
    open_records(settings)
    with closing(sqlite3.connect(looking.folder / "records.sqlite")) as connection:
        connection.execute(
            "INSERT INTO faults (home, cause, subject, resident, detail, opened_at_us) VALUES"
            " ('demo', 'battery_low', 'device:w1', 'resident-1', 'Charge it.', ?),"
            " ('demo', 'wearable_not_heard', 'device:w2', 'resident-2', 'Look in on 211-B.', ?)",
            (now_us(clock) - 7_200_000_000, now_us(clock) - 600_000_000),
        )
        connection.commit()
    entry = found(looking.now(settings, "records"), "records / open faults")
    assert entry.level is Level.FAULT
    assert "battery_low (2/F 211-A) for 2 h" in entry.found
    assert "wearable_not_heard (2/F 211-B) for 10 min" in entry.found
    assert entry.advice == "Look in on 211-B.", "the most urgent one's own words"


def test_a_folder_below_a_file_cannot_be_written(looking, found) -> None:
    (looking.folder / "file").write_text("in the way")
    report = looking.now(
        looking.settings(
            gateway={"folder": looking.folder / "file" / "gateway"},
        ),
        "disk",
    )
    entry = found(report, "disk / gateway")
    assert entry.level is Level.FAULT
    assert "cannot be written" in entry.found
    assert found(report, "disk / store").level is not Level.FAULT


def test_a_disk_that_takes_no_more_is_a_fault(looking, found) -> None:
    with no_room_to_write():
        report = looking.now(looking.settings(), "disk")
    for name in ("gateway", "store", "records"):
        entry = found(report, f"disk / {name}")
        assert entry.level is Level.FAULT
        assert "cannot be written" in entry.found
    assert list(looking.folder.iterdir()) == []


@contextmanager
def no_room_to_write():
    """No file of this process may grow: what a full disk is to whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """A disk of 256 kB, in memory, where mounting is allowed."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=256k,nr_inodes=20", "none", str(folder)]
    if mount is None or subprocess.call([mount, *options], stderr=subprocess.DEVNULL) != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for _ in range(1_000):
            file.write(bytes(4_096))


def test_a_tiny_disk_and_a_full_one(looking, tiny_disk: Path) -> None:
    context = Context(looking.settings(), SystemClock())
    nearly = asyncio.run(disk_folder(context, tiny_disk))
    assert nearly.level is Level.FAULT, "kilobytes are no room"
    assert nearly.figures["free_bytes"] < 300_000
    assert "tmpfs" in nearly.found
    fill(tiny_disk / "filler")
    full = asyncio.run(disk_folder(context, tiny_disk))
    assert full.level is Level.FAULT
    assert "No space left" in full.found
    assert [each.name for each in tiny_disk.iterdir()] == ["filler"]


def test_memory_is_no_place_for_what_must_last(looking) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or examine_disk(shared, "t", SystemClock()).kind != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    finding = asyncio.run(disk_folder(Context(looking.settings(), SystemClock()), shared))
    assert finding.level in (Level.WARNING, Level.FAULT)
    assert "tmpfs" in finding.found


def test_the_time_series_server_is_asked(tmp_path, looking, found) -> None:
    server = Influxd(tmp_path / "influxd", SystemClock())
    try:
        asyncio.run(server.start())
    except ServerMissingError as error:
        pytest.skip(str(error))
    try:
        ingest = {"kind": "influx", "influx": InfluxSettings(url=server.url)}
        settings = looking.settings(ingest=ingest)
        entry = found(looking.now(settings, "store"), "store / server")
        assert entry.level is Level.FAULT
        assert "database not found" in entry.found
        assert "wardlight store prepare" in entry.advice
        with closing(open_server(settings.ingest.influx)) as asked:
            for database in databases_of(settings.ingest.influx):
                asked.tell(f'CREATE DATABASE "{database}"')
        assert found(looking.now(settings, "store"), "store / server").level is Level.OK
    finally:
        server.kill()
