"""A real mosquitto in a folder of its own, for tests, journeys and chaos."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

from contract.clock import Clock
from contract.units import ns_to_seconds

MAX_QUEUED_MESSAGES: Final = 100_000
"""mosquitto's default is 1,000 for each client, and it drops the rest in silence (PLATFORM)."""

MAX_IN_FLIGHT: Final = 1_000
"""The default of 20 unacknowledged messages for each client halves the throughput."""

START_LIMIT_S: Final = 10.0
"""It listens after 20 ms; a machine under load may take a hundred times as long."""

STOP_LIMIT_S: Final = 5.0
POLL_S: Final = 0.01

_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Debian puts it where an ordinary user's PATH does not look."""


class MosquittoMissingError(RuntimeError):
    """mosquitto is not installed."""


class MosquittoFailedError(RuntimeError):
    """mosquitto did not start, or ended; what it wrote to its log is the message."""


def find_mosquitto() -> str:
    """The path of the program.

    Raises
    ------
    MosquittoMissingError
        With what to do.
    """
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise MosquittoMissingError("mosquitto is not installed: apt-get install mosquitto")
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One mosquitto on 127.0.0.1; it keeps its port over a restart.

    Parameters
    ----------
    folder
        For its configuration, log and persistence file; made if missing.
    clock
        For waiting until it listens.
    port
        0 takes a free one.
    persistent
        Whether retained messages survive a restart.
    access
        Lines of an access list (mosquitto.conf(5)), such as ``topic read #``; default:
        everybody may do everything.
    settings
        More lines of its configuration; those about the listener (certificates) fit here.
    configuration
        A file to start it with instead, which says all that and where it listens.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        port: int = 0,
        persistent: bool = False,
        access: tuple[str, ...] = (),
        settings: tuple[str, ...] = (),
        configuration: Path | None = None,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._clock = clock
        self._persistent = persistent
        self._access = access
        self._settings = settings
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `messaging.mqtt.MqttBus`."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Start it and wait until it listens.

        Raises
        ------
        MosquittoMissingError
            If it is not installed.
        MosquittoFailedError
            If it does not come up.
        """
        if self.running:
            return
        program = find_mosquitto()
        log = self.folder / "mosquitto.log"
        configuration = self._write_configuration()
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own arguments; starts at once
                [program, "-c", str(configuration)], stdout=output, stderr=output
            )
        started_ns = self._clock.monotonic_ns()
        while not self._listens():
            waited_s = ns_to_seconds(self._clock.monotonic_ns() - started_ns)
            if not self.running or waited_s > START_LIMIT_S:
                self.kill()
                raise MosquittoFailedError(log.read_text(errors="replace")[-2_000:])
            await self._clock.sleep(POLL_S)

    def stop(self) -> None:
        """End it as an orderly shutdown does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop, and start on the same port."""
        self.stop()
        await self.start()

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

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _write_configuration(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._configuration is not None:
            return self._configuration
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            f"max_queued_messages {MAX_QUEUED_MESSAGES}",
            f"max_inflight_messages {MAX_IN_FLIGHT}",
            "log_type error",
            "log_type warning",
            f"persistence {'true' if self._persistent else 'false'}",
            *self._settings,
        ]
        if self._persistent:
            lines += [f"persistence_location {self.folder}/", "autosave_interval 1"]
        if self._access:
            access = self.folder / "access.txt"
            access.write_text("\n".join(self._access) + "\n")
            # mosquitto started by root reads its files as user "mosquitto", and warns
            # about a list that others can read; it holds no secret.
            access.chmod(0o644)
            lines.append(f"acl_file {access}")
        if os.geteuid() == 0:
            lines.append("user root")
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return configuration
