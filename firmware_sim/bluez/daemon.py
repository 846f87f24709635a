"""A dbus-daemon of our own on a private socket: no test and no developer touches the system bus."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final
from xml.sax.saxutils import escape

from contract.clock import Clock, within

START_S: Final = 20.0
"""It listens after 10 ms; a machine that needs longer than this is not going to make it."""
STOP_S: Final = 5.0
"""A dbus-daemon that has not gone by then is killed."""

MAX_CONNECTIONS: Final = 4_096
"""bleak opens a connection for each link, beside its own; dbus-daemon's default of 256 for each
user ends at some 250 (PLATFORM, BLE)."""
MAX_WAITING_BYTES: Final = 256 << 20
"""What may wait for one reader. A session's default is far more than a burst of notifications;
it is said here so that nobody inherits a smaller one from the machine."""

_CONFIGURATION: Final = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
  <limit name="max_connections_per_user">{connections}</limit>
  <limit name="max_completed_connections">{connections}</limit>
  <limit name="max_incomplete_connections">{connections}</limit>
  <limit name="max_match_rules_per_connection">{connections}</limit>
  <limit name="max_replies_per_connection">{connections}</limit>
  <limit name="max_incoming_bytes">{bytes}</limit>
  <limit name="max_outgoing_bytes">{bytes}</limit>
</busconfig>
"""


def _ends_with_us() -> list[str]:
    """Words before a command by which it ends with its parent, however that ends."""
    setpriv = shutil.which("setpriv")  # of util-linux, on every Debian
    return [setpriv, "--pdeathsig", "TERM"] if setpriv is not None else []


class NoBusError(RuntimeError):
    """There is no dbus-daemon, or it does not start; the message says what to do."""


class PrivateBus:
    """A message bus in a temporary folder, as an asynchronous context manager.

    Parameters
    ----------
    clock
        Bounds the wait for its start and its end.
    socket
        Where it listens; default a file in its own temporary folder. A path that a developer
        chose stays the same from one start to the next.

    Raises
    ------
    NoBusError
        On entering, if there is no dbus-daemon or it does not start.
    """

    def __init__(self, clock: Clock, socket: Path | None = None) -> None:
        self._clock = clock
        self._wanted_socket = socket
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""
        """For ``DBUS_SYSTEM_BUS_ADDRESS``."""

    async def __aenter__(self) -> PrivateBus:
        program = shutil.which("dbus-daemon")
        if program is None:
            raise NoBusError(
                "there is no dbus-daemon; install it: sudo apt-get install -y dbus-daemon"
            )
        # A socket's path has to stay below 108 bytes, and a test's own folder may not.
        self._folder = tempfile.TemporaryDirectory(prefix="wardlight-bus-")
        folder = Path(self._folder.name)
        socket = self._wanted_socket or folder / "bus"
        try:
            if socket.is_socket():
                socket.unlink()
            configuration = folder / "bus.conf"
            configuration.write_text(
                _CONFIGURATION.format(
                    socket=escape(str(socket)),
                    connections=MAX_CONNECTIONS,
                    bytes=MAX_WAITING_BYTES,
                )
            )
            self._process = await asyncio.create_subprocess_exec(
                *_ends_with_us(),
                program,
                f"--config-file={configuration}",
                "--nofork",
                "--nopidfile",
                "--print-address=1",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl-C is for us, who stop it in our own time.
                start_new_session=True,
            )
            self.address = await self._printed_address()
        except BaseException:
            await self._stop()
            raise
        return self

    async def _printed_address(self) -> str:
        assert self._process is not None, "begun above"
        assert self._process.stdout is not None, "a pipe"
        assert self._process.stderr is not None, "a pipe"
        try:
            line = await within(self._clock, START_S, self._process.stdout.readline())
        except TimeoutError as error:
            raise NoBusError(f"dbus-daemon did not listen within {START_S:.0f} s") from error
        if not line:
            said = (await self._process.stderr.read()).decode(errors="replace").strip()
            raise NoBusError(f"dbus-daemon did not start: {said or 'it said nothing'}")
        # What follows the comma is the bus's own id, which a later one does not have.
        return line.decode().strip().split(",guid=")[0]

    @property
    def process_id(self) -> int:
        """Of the dbus-daemon.

        Raises
        ------
        NoBusError
            If it does not run.
        """
        if self._process is None:
            raise NoBusError("the private bus does not run")
        return self._process.pid

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await within(self._clock, STOP_S, process.wait())
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._folder is not None:
            self._folder.cleanup()
