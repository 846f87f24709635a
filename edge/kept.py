"""Small things that a gateway knows and keeps over restarts, each in a file of its folder.

Not flushed to the card each time: what a power cut may cost is an hour of history. Alarms and what
belongs to them are in the outbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import structlog

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class KeptFile(Generic[T]):
    """A value as JSON, written whole or not at all.

    Parameters
    ----------
    path
        The file.
    kind
        What it holds, as `msgspec` understands it.
    """

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._kind = kind

    def read(self) -> T | None:
        """What was written last; None if nothing was, or nobody can read it (the log says so)."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("kept_file_unreadable", file=self._path.name, reason=str(error))
            return None

    def write(self, value: T) -> bool:
        """Write it; whether that worked. If not, the log says so, and memory holds it."""
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(msgspec.json.encode(value))
            beside.replace(self._path)
        except OSError as error:
            _log.error("kept_file_not_written", file=self._path.name, reason=str(error))
            return False
        return True
