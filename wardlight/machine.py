"""Facts about the machine that services are told and do not ask for themselves."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path


def boot_id() -> str:
    """Id of this boot of the machine: monotonic times compare only within one.

    A system that has none (not Linux) gets a new one for each process, which is safe: ages
    from before are then unknown.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def free_port(host: str, wanted: int) -> int:
    """`wanted` if nobody listens on it, otherwise one that the system finds free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            probe.bind((host, 0))
        return int(probe.getsockname()[1])
