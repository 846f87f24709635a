"""The records: migrations and models agree, on both databases, and writers wait in line."""

from __future__ import annotations

import multiprocessing
import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateIndex, CreateTable

from alerts import Database, UnknownHomeError
from alerts.directory import enter_home
from alerts.records import migrate
from alerts.records.database import DATABASE_ERRORS
from alerts.records.models import Base, Case, Home, Resident


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'records.sqlite'}"
        return
    server = request.getfixturevalue("postgresql")
    yield server.make_database("records")
    server.drop_database("records")


@pytest.fixture
def database(url):
    made = Database(url)
    made.upgrade()
    yield made
    made.close()


def test_the_migrations_make_the_models(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_records_out_of_reach_are_an_error_that_everyone_knows():
    """Also where it is asked past the mapper, several times a second."""
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")
    for ask in (database.homes, database.is_current, lambda: database.revision("demo")):
        with pytest.raises(DATABASE_ERRORS):
            ask()
    database.close()


def test_a_password_is_not_shown():
    database = Database("postgresql://nobody:secret@127.0.0.1:1/nothing")
    assert "secret" not in database.where
    database.close()


def test_whether_the_tables_are_of_this_version(url):
    database = Database(url)
    assert not database.is_current()
    database.upgrade()
    assert database.is_current()
    database.close()


def test_upgrading_again_keeps_what_is_there(database):
    enter_home(database, "demo")
    database.upgrade()
    assert database.homes() == ["demo"]


def test_down_and_up_again(database):
    config = migrate.configuration()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    database.upgrade()
    assert "incidents" in inspect(database.engine).get_table_names()


def _upgrade(url, barrier):
    database = Database(url)
    barrier.wait()
    database.upgrade()
    database.close()


def test_two_processes_upgrade_at_once(url):
    Database(url).close()
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    processes = [spawn.Process(target=_upgrade, args=(url, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def test_postgresql_understands_the_tables():
    dialect = postgresql.dialect()
    statements = [
        str(CreateTable(table).compile(dialect=dialect)) for table in Base.metadata.sorted_tables
    ]
    statements += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in Base.metadata.sorted_tables
        for index in table.indexes
    ]
    assert any("BIGSERIAL" in each for each in statements)
    assert any("WHERE closed_at_us IS NULL" in each for each in statements)
    assert all(
        len(index.name) <= 63 for table in Base.metadata.tables.values() for index in table.indexes
    )


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_sqlite_is_opened_for_safety(database):
    with database.session() as session:
        pragmas = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 5_000,
        "foreign_keys": 1,
    }


def test_every_table_knows_its_home():
    for table in Base.metadata.tables.values():
        assert "home" in table.columns or table.name == "homes"


def test_one_open_case_for_a_resident(database):
    enter_home(database, "demo")

    def open_case(number):
        with database.transaction("demo") as session:
            session.add(Case(id=number, home="demo", resident="r1", opened_at_us=1))

    open_case("c1")
    with pytest.raises(IntegrityError):
        open_case("c2")
    with database.transaction("demo") as session:
        session.get_one(Case, "c1").closed_at_us = 2
    open_case("c3")


def test_a_transaction_is_all_or_nothing(database):
    enter_home(database, "demo")
    before = database.revision("demo")

    def half():
        with database.transaction("demo") as session:
            session.add(Resident(home="demo", id="r1", name="N", bed="b", floor="f"))
            session.flush()
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half()
    with database.session() as session:
        assert session.scalars(select(Resident)).all() == []
    assert database.revision("demo") == before


def test_reading_writes_nothing_and_an_unknown_home_is_refused(database):
    enter_home(database, "demo")
    told = []
    database.listen(told.append)
    with database.transaction("demo"):
        pass
    assert (database.revision("demo"), told) == (0, [])
    with pytest.raises(UnknownHomeError), database.transaction("nowhere"):
        pass
    assert database.revision("nowhere") == 0


def test_writers_wait_for_each_other_and_lose_nothing(url):
    """Four threads through two doors: each reads, adds one and writes."""
    doors = [Database(url) for _ in range(2)]
    doors[0].upgrade()
    enter_home(doors[0], "demo")
    failures = []

    def count(door):
        try:
            for _ in range(25):
                with door.transaction("demo") as session:
                    home = session.get_one(Home, "demo")
                    home.config_revision = home.config_revision + 1
        except Exception as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=count, args=(doors[n % 2],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with doors[0].session() as session:
        assert session.get_one(Home, "demo").config_revision == 100
    assert doors[1].revision("demo") == 100
    for door in doors:
        door.close()
