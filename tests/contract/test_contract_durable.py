import sqlite3

import pytest

from contract.durable import make_durable


@pytest.fixture
def connect(tmp_path):
    opened = []

    def connect():
        connection = sqlite3.connect(
            tmp_path / "any.db", isolation_level=None, timeout=0.1, check_same_thread=False
        )
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def test_a_commit_is_on_the_disk_before_it_returns(connect):
    connection = connect()
    make_durable(connection)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_another_process_that_creates_the_file_is_waited_for(connect):
    first, second = connect(), connect()
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("PRAGMA journal_mode = WAL")
    waited = []

    def let_go(statement):
        if statement == "BEGIN IMMEDIATE":
            waited.append(statement)
            first.execute("COMMIT")

    second.set_trace_callback(let_go)
    make_durable(second)
    assert waited
    assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_held_for_good_is_an_error(connect):
    first, second = connect(), connect()
    first.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        make_durable(second)


def test_what_is_no_database_is_an_error(tmp_path, connect):
    (tmp_path / "any.db").write_bytes(b"a photograph of a cat" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        make_durable(connect())
