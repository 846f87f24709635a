"""Where a home that lives for one replay keeps its files."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there, for us alone
"""Linux keeps it in memory."""

ROOM_BYTES: Final = 1024**3
"""Free there, or the disk is taken: a day of six residents takes some 120 MB."""

_CHOSEN: Final = ("TMPDIR", "TEMP", "TMP")
"""By one of these somebody has said where."""


def scratch_folder(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A folder that goes when its context ends; in memory, where there is room.

    The stores of a home wait for the disk at each commit, three times in ten seconds, so that
    a power cut takes nothing; what a replay writes is thrown away at its end, and nobody needs
    to wait for it.
    """
    return tempfile.TemporaryDirectory(prefix=prefix, dir=_in_memory())


def _in_memory() -> Path | None:
    """None for where the system wants temporary files."""
    if any(os.environ.get(name) for name in _CHOSEN) or not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None
