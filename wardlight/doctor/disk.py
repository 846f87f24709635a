"""Where durable things are kept: whether they can be written, for how long, and on what."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from contract.clock import Clock
from contract.units import NS_PER_MS
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import duration, reason, size

FREE_FAULT_BYTES: Final = 64 * 1024**2
"""Sixty residents fill so much in an hour or two (about 100 bytes a second each, with
indexes twice that); SQLite needs room beside it to commit at all."""

FREE_WARNING_BYTES: Final = 1024**3
"""A day of sixty residents: time to make room by hand."""

INODES_FAULT: Final = 100
"""A service makes a dozen files; a disk without inodes refuses each, however empty it is."""

SLOW_MS: Final = 1_000.0
"""One write that must reach the disk. A good card takes 5 to 50 ms; one that stalls for a second
is near its end, and each alarm waits for it before it is sent."""

SCRATCH_BYTES: Final = 4_096
"""One page of SQLite."""

_MOUNTS: Final = Path("/proc/self/mountinfo")
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MMC: Final = re.compile(r"(mmcblk\d+)")


class Disk(NamedTuple):
    """What was found below one folder."""

    there: bool
    """The folder itself; otherwise its nearest parent was looked at."""
    free_bytes: int
    inodes: int | None
    """Free ones; None where the file system counts none."""
    write_ms: float
    kind: str
    is_card: bool


async def folder(context: Context, path: Path) -> Finding:
    """One folder, by its absolute path, that a service keeps its files in."""
    try:
        disk = await in_thread(lambda: examine(path, context.token, context.machine))
    except OSError as error:
        return fault(
            f"{path} cannot be written: {reason(error)}",
            "Make it writable for the user that runs the services (owner, mount options, a full "
            "or dying disk): what cannot be written is lost at the next power cut.",
        )
    return _judge(str(path), disk)


def _judge(path: str, disk: Disk) -> Finding:
    where = f"{path}: {size(disk.free_bytes)} free on {disk.kind}"
    if not disk.there:
        where += ", to be made at the first start"
    figures = {"free_bytes": float(disk.free_bytes), "write_ms": disk.write_ms}
    troubles = (
        (
            disk.free_bytes < FREE_FAULT_BYTES,
            fault(where, "Make room now, or give it a larger disk.", **figures),
        ),
        (
            disk.inodes is not None and disk.inodes < INODES_FAULT,
            fault(
                f"{where}, but room for {disk.inodes} more files only",
                "Delete what fills this disk with small files.",
                **figures,
            ),
        ),
        (
            disk.kind in _IN_MEMORY,
            warning(
                f"{where}, which is memory: a power cut takes all of it",
                "Put it on a disk, or alarms that were accepted are gone after a power cut.",
                **figures,
            ),
        ),
        (
            disk.write_ms > SLOW_MS,
            warning(
                f"{where}; a write took {duration(disk.write_ms / 1000)}",
                "Replace this disk or card: each alarm waits for it.",
                **figures,
            ),
        ),
        (
            disk.free_bytes < FREE_WARNING_BYTES,
            warning(where, "Make room within the day.", **figures),
        ),
    )
    for is_so, finding in troubles:
        if is_so:
            return finding
    card = " (an SD card wears out: keep a spare, or use a disk)" if disk.is_card else ""
    return ok(f"{where}{card}; a write takes {disk.write_ms:.1f} ms", **figures)


def examine(path: Path, token: str, clock: Clock) -> Disk:
    """Write beside what is kept there, and ask for the room.

    Raises
    ------
    OSError
        If nothing can be written.
    """
    nearest = path
    while not nearest.exists():
        nearest = nearest.parent
    write_ms = write_scratch(nearest, token, clock)
    room = os.statvfs(nearest)
    kind, is_card = _kind(nearest.resolve())
    return Disk(
        there=path.exists(),
        free_bytes=room.f_bavail * room.f_frsize,
        inodes=room.f_favail if room.f_files else None,
        write_ms=write_ms,
        kind=kind,
        is_card=is_card,
    )


def write_scratch(where: Path, token: str, clock: Clock) -> float:
    """Write a page into a file of our own and take it away again; milliseconds to the disk.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    scratch = where / f".wardlight-doctor-{token}-{os.urandom(4).hex()}"
    began_ns = clock.monotonic_ns()
    try:
        with scratch.open("xb") as file:
            file.write(bytes(SCRATCH_BYTES))
            file.flush()
            os.fsync(file.fileno())
        return (clock.monotonic_ns() - began_ns) / NS_PER_MS
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _kind(path: Path) -> tuple[str, bool]:
    """The file system that `path` is on, and whether it is on an SD card."""
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return "an unknown file system", False
    best, kind, device = -1, "an unknown file system", ""
    for line in lines:
        # "36 35 98:0 /root /mount/point options - type device options" (proc(5)).
        left, _, right = line.partition(" - ")
        mount = Path(left.split()[4].replace("\\040", " "))
        if len(mount.parts) > best and path.is_relative_to(mount):
            best, (kind, device) = len(mount.parts), right.split()[:2]
    return kind, _is_card(device)


def _is_card(device: str) -> bool:
    found = _MMC.search(device)
    if found is None:
        return False
    try:
        # Soldered eMMC has the same name and lasts longer.
        return Path(f"/sys/block/{found[1]}/device/type").read_text("ascii").strip() == "SD"
    except OSError:
        return True
