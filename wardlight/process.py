"""The life of a service's process: from its first signal to its exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn

import structlog

from wardlight.settings import Settings, SettingsError

STOP_LIMIT_S: Final = 4.5
"""Work in hand has so long after SIGTERM, in the machine's seconds; systemd and an impatient
person give five. What is cut off then is no worse than a power cut, which everything durable
here survives."""

NOT_FOR_OTHERS: Final = 0o077
"""What a service writes is about residents: only its own user may read it."""

FAILED: Final = 1
USAGE_ERROR: Final = 2
_BY_SIGNAL: Final = 128
"""A shell's convention for a process that a signal ended."""

_log = structlog.get_logger(__name__)


def run_until_stopped(
    service: Callable[[Settings], Coroutine[Any, Any, None]], settings: Settings
) -> int:
    """Run a service until SIGTERM or Ctrl-C.

    The first signal lets it finish what it has in hand; a second one ends it at once.

    Returns
    -------
    int
        Exit status: 0 after a signal, 2 if the settings cannot be used.
    """
    os.umask(NOT_FOR_OTHERS)
    try:
        return asyncio.run(_run(service, settings))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_ERROR


async def _run(service: Callable[[Settings], Coroutine[Any, Any, None]], settings: Settings) -> int:
    task = asyncio.create_task(service(settings))
    loop = asyncio.get_running_loop()
    was_asked = False

    def stop(number: signal.Signals) -> None:
        nonlocal was_asked
        if was_asked:
            _end("stopped_at_once", _BY_SIGNAL + number)
        was_asked = True
        _log.info("stopping", signal=number.name)
        # A daemon: it also ends a process whose threads hang after the loop is gone.
        limit = threading.Timer(STOP_LIMIT_S, _end, ("stop_forced", FAILED))
        limit.daemon = True
        limit.start()
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        _log.info("stopped")
    return 0


def _end(event: str, status: int) -> NoReturn:
    _log.warning(event, exit_status=status)
    sys.stderr.flush()
    os._exit(status)
