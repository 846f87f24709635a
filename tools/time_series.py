"""Real time-series servers in folders of their own, for tests and chaos: influxd 1.x, and
victoria-metrics for the write protocol of InfluxDB 2.x.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from contract.clock import Clock
from contract.units import ns_to_seconds

START_LIMIT_S: Final = 30.0
"""Each listens after half a second; a busy machine takes many times as long."""

STOP_LIMIT_S: Final = 10.0
POLL_S: Final = 0.02

_CONFIGURATION: Final = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
[monitor]
store-enabled = false
"""


class ServerMissingError(RuntimeError):
    """The program is not installed."""


class ServerFailedError(RuntimeError):
    """It did not start; what it wrote to its log is the message."""


class TimeSeriesServer:
    """One server on 127.0.0.1; it keeps its port and its data over a restart.

    Parameters
    ----------
    folder
        For its data and log; made if missing.
    clock
        For waiting until it answers.
    """

    program = ""
    package = ""
    ping = ""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.port = _free_port()
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        ServerMissingError
            If it is not installed.
        ServerFailedError
            If it does not come up.
        """
        if self.running:
            return
        program = shutil.which(self.program)
        if program is None:
            raise ServerMissingError(f"{self.program} is missing: apt-get install {self.package}")
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own arguments; starts at once
                [program, *self.arguments()], stdout=output, stderr=output, cwd=self.folder
            )
        started_ns = self._clock.monotonic_ns()
        while not self._answers():
            waited_s = ns_to_seconds(self._clock.monotonic_ns() - started_ns)
            if not self.running or waited_s > START_LIMIT_S:
                self.kill()
                raise ServerFailedError(log.read_text(errors="replace")[-2_000:])
            await self._clock.sleep(POLL_S)

    def arguments(self) -> list[str]:
        """Of the program."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it as an orderly shutdown does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.ping, timeout=1.0) as answer:  # noqa: S310
                return bool(answer.status < 300)
        except urllib.error.HTTPError as error:
            with error:
                return error.code == 401
        except OSError:
            return False

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


class Influxd(TimeSeriesServer):
    """influxd 1.x, as Debian and Raspberry Pi OS ship it.

    Parameters
    ----------
    folder, clock
        See `TimeSeriesServer`.
    auth
        Whether it wants a user and a password.
    """

    program = "influxd"
    package = "influxdb"
    ping = "/ping"

    def __init__(self, folder: Path, clock: Clock, *, auth: bool = False) -> None:
        super().__init__(folder, clock)
        self._rpc_port = _free_port()
        self._auth = auth

    def arguments(self) -> list[str]:
        configuration = self.folder / "influxdb.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                port=self.port,
                rpc_port=self._rpc_port,
                auth=str(self._auth).lower(),
            )
        )
        return ["-config", str(configuration)]


class VictoriaMetrics(TimeSeriesServer):
    """victoria-metrics: takes what influxdb-client writes, and forgets it when it is killed."""

    program = "victoria-metrics"
    package = "victoria-metrics"
    ping = "/health"

    def arguments(self) -> list[str]:
        return [
            f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-loggerLevel=WARN",
            "-memory.allowedBytes=64MB",
        ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
