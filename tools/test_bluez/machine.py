"""The machine: QEMU that emulates every instruction, so that it runs in a virtual machine too.

The guest's clock counts its instructions: on a busy host it goes slower, and no time limit inside
runs out for want of a processor.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from tools.test_bluez.image import HOST
from tools.test_bluez.packages import NotHereError

QEMU: Final = "qemu-system-x86_64"
MEMORY_MIB: Final = 1024
CPU: Final = "Nehalem"
"""The least that NumPy is built for (x86-64-v2). With the AVX of QEMU 7.2 NumPy's sums end the
gateway by a segmentation fault, which no machine of metal has shown."""

ICOUNT: Final = "shift=1,sleep=on"
"""Two nanoseconds an instruction: some quarter of a Raspberry Pi 4's core."""

STOP_LIMIT_S: Final = 5.0

_COMMAND_LINE: Final = "console=ttyS0 quiet panic=-1 mitigations=off"
"""``mitigations=off``: the guest runs our own code alone, and emulation is slow enough."""


class TookTooLongError(TimeoutError):
    """The guest did not end within its limit; it has been stopped."""


def find_qemu() -> str:
    """The path of the program.

    Raises
    ------
    NotHereError
        With what to do.
    """
    found = shutil.which(QEMU)
    if found is None:
        raise NotHereError("QEMU is not installed: apt-get install qemu-system-x86")
    return found


def run(kernel: Path, initrd: Path, console: Path, *, limit_s: float) -> Iterator[str]:
    """Boot the guest, and yield the lines that it writes to its second serial port.

    Parameters
    ----------
    console
        File for what it writes to the first: the kernel's messages and every log.
    limit_s
        Seconds of this machine after which it is stopped.

    Raises
    ------
    TookTooLongError
        After `limit_s`.
    """
    command = [
        find_qemu(),
        *("-accel", "tcg,thread=single", "-icount", ICOUNT, "-rtc", "clock=vm"),
        *("-cpu", CPU, "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-nographic", "-no-reboot"),
        *("-kernel", str(kernel), "-initrd", str(initrd), "-append", _COMMAND_LINE),
        *("-serial", f"file:{console}", "-serial", "stdio"),
        *("-device", "virtio-rng-pci", "-virtfs"),
        f"local,path=/,mount_tag={HOST},security_model=none,readonly=on,multidevs=remap",
    ]
    with subprocess.Popen(  # noqa: S603 - our own arguments
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield from _lines(process, time.monotonic() + limit_s)
        finally:
            _stop(process)


def _lines(process: subprocess.Popen[bytes], until: float) -> Iterator[str]:
    """What it writes, line by line, until it ends."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.decode("utf-8", "replace").strip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max(until - time.monotonic(), 0.0))
        except queue.Empty:
            raise TookTooLongError("the guest did not end in time") from None
        if line is None:
            return
        yield line


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_S)
        return
    process.kill()
