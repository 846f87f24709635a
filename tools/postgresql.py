"""A real PostgreSQL in a folder of its own, for tests and journeys."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Final, LiteralString

from contract.clock import Clock
from contract.units import ns_to_seconds

START_LIMIT_S: Final = 30.0
"""It listens after half a second; after a kill it first recovers, on a busy machine slowly."""

STOP_LIMIT_S: Final = 10.0
POLL_S: Final = 0.02

OWNER: Final = "wardlight"
"""The database's superuser; no password, and only this machine can reach it."""

ACCOUNT: Final = "postgres"
"""Who runs the server where we are root, as whom PostgreSQL refuses to run; Debian's package
makes it."""

_PLACES: Final = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/opt/homebrew/bin")
"""Debian keeps its versions side by side, and none of them on the PATH."""

_SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "fsync=on",  # the default, and what we are here to test
    "max_connections=100",
    "shared_buffers=16MB",
    "log_min_messages=warning",
)


class PostgreSQLMissingError(RuntimeError):
    """PostgreSQL is not installed."""


class PostgreSQLFailedError(RuntimeError):
    """PostgreSQL did not start, or ended; what it wrote to its log is the message."""


def find_postgresql() -> Path:
    """The folder of its programs, of the newest version installed.

    Raises
    ------
    PostgreSQLMissingError
        With what to do.
    """
    found = [
        folder
        for place in _PLACES
        for folder in Path("/").glob(place.lstrip("/"))
        if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    if not found:
        raise PostgreSQLMissingError("PostgreSQL is not installed: apt-get install postgresql")
    return max(found, key=_version)


def _version(folder: Path) -> tuple[int, str]:
    number = folder.parent.name
    return (int(number) if number.isdigit() else 0, str(folder))


class PostgreSQL:
    """One server on 127.0.0.1; it keeps its port and its data over a restart.

    Parameters
    ----------
    folder
        For its data, socket and log; made if missing. Where we are root it is given to
        `ACCOUNT`, which must be able to reach it.
    clock
        For waiting until it listens.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.port = _free_port()
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._as_account: dict[str, Any] = (
            {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}
        )

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy, with the psycopg driver."""
        return f"postgresql+psycopg://{OWNER}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its first process' id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Make its files at the first time, start it, and wait until it answers.

        Raises
        ------
        PostgreSQLMissingError
            If it is not installed.
        PostgreSQLFailedError
            If it does not come up.
        """
        if self.running:
            return
        programs = find_postgresql()
        if not self._data.exists():
            self._make(programs)
        started_ns = self._clock.monotonic_ns()
        self._launch(programs)
        while not self._answers(programs):
            if ns_to_seconds(self._clock.monotonic_ns() - started_ns) > START_LIMIT_S:
                self.kill()
                raise PostgreSQLFailedError(self._log.read_text(errors="replace")[-2_000:])
            await self._clock.sleep(POLL_S)
            if not self.running:
                # After a kill, processes of the one before hold its memory for a moment.
                self._launch(programs)

    def stop(self) -> None:
        """End it; connections are cut, and nothing is lost ("fast" shutdown)."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def make_database(self, name: str, template: str = "template1") -> str:
        """Make a database, as a copy of one that nobody is connected to; its URL."""
        # Copied in the log, as a small database is quickest; a file copy waits for the disk.
        self._do("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log", name, template)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Delete a database, whoever is connected."""
        self._do("DROP DATABASE {} WITH (FORCE)", name)

    def _do(self, command: LiteralString, *names: str) -> None:
        """Within this process: a program of its own for it took half of the whole time."""
        import psycopg  # not for those who only look for the server
        from psycopg import sql

        where = self.url().replace("+psycopg", "")
        try:
            with psycopg.connect(where, autocommit=True) as connection:
                connection.execute(sql.SQL(command).format(*map(sql.Identifier, names)))
        except psycopg.Error as error:
            raise PostgreSQLFailedError(str(error)) from error

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "postgresql.log"

    def _make(self, programs: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._as_account:
            shutil.chown(self.folder, ACCOUNT, ACCOUNT)
        self._run(
            programs / "initdb",
            *("--pgdata", str(self._data), "--username", OWNER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-instructions"),
        )

    def _run(self, *command: str | Path) -> None:
        try:
            subprocess.run(  # noqa: S603 - our own arguments
                command, check=True, capture_output=True, cwd="/", **self._as_account
            )
        except subprocess.CalledProcessError as error:
            raise PostgreSQLFailedError(error.stderr.decode(errors="replace")) from error

    def _launch(self, programs: Path) -> None:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                [
                    programs / "postgres",
                    *("-D", str(self._data), "-p", str(self.port), "-k", str(self.folder)),
                    *settings,
                ],
                stdout=output,
                stderr=output,
                cwd="/",
                **self._as_account,
            )

    def _answers(self, programs: Path) -> bool:
        ready = subprocess.run(  # noqa: S603 - our own arguments
            [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return ready.returncode == 0

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
