"""``wardlight record``: this machine's gateway at work, with everything that it hears and does over
the air written down in a folder (`firmware_sim.capture`).

It takes the place of ``wardlight gateway``: the home is watched as without it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import structlog

from contract.clock import Clock
from firmware_sim import TruthEntry
from firmware_sim.capture import CaptureError
from wardlight.credentials import ENGINEER
from wardlight.services import bus_of, clock_of, run_gateway
from wardlight.settings import Settings, SettingsError
from wardlight.tape import RecordReport, Tape

_log = structlog.get_logger(__name__)

PROGRESS_S: Final = 1.0
"""Between two counts at a terminal."""

USAGE_ERROR: Final = 2
BY_SIGNAL: Final = 128
"""A shell's convention for a process that a signal ended."""

ASKED_TO_STOP: Final = "it was asked to stop"
TIME_WAS_UP: Final = "its time was up"


async def record(
    settings: Settings,
    folder: Path,
    *,
    seconds: float | None,
    truth: Sequence[TruthEntry] | None = None,
    clock: Clock | None = None,
    out: TextIO = sys.stdout,
    as_json: bool = False,
    stop: asyncio.Event | None = None,
) -> RecordReport:
    """Run the gateway and capture it, for `seconds` or until `stop` is set or it is cancelled.

    Parameters
    ----------
    settings
        Of the home, as for ``wardlight gateway``.
    folder
        New or empty.
    truth
        What truly happens; default what the simulation knows, and nothing with real radios.
    clock
        On which `seconds` are counted; default the one that the settings ask for.
    out
        Where the progress (at a terminal) and the report go.

    Raises
    ------
    CaptureError
        If the folder holds something or cannot be written.
    """
    clock = clock or clock_of(settings)
    tape = Tape(settings, folder, truth)
    gateway = asyncio.create_task(run_gateway(settings, tape.wrap))
    keeping = asyncio.create_task(tape.keep())
    timer = asyncio.create_task(_time_up(tape, clock, seconds))
    stopping = asyncio.create_task((stop or asyncio.Event()).wait())
    listening = asyncio.create_task(_listen(tape, settings, clock))
    showing = asyncio.create_task(_show(tape, clock, out, shown=out.isatty() and not as_json))
    tasks: set[asyncio.Task[Any]] = {gateway, keeping, timer, stopping, listening, showing}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _end(tasks)
        if tape.has_begun:
            await _finish(tape, ASKED_TO_STOP, out, as_json=as_json)
        raise
    ended = {task: task.exception() for task in tasks if task.done()}
    if isinstance(ended.get(keeping), CaptureError):
        # The disk; the report says so.
        del ended[keeping]
    failure = next((error for error in ended.values() if error is not None), None)
    reason = TIME_WAS_UP if timer.done() else ASKED_TO_STOP
    await _end(tasks)
    if failure is not None:
        if tape.has_begun:
            await _finish(tape, f"its gateway failed: {failure}", out, as_json=as_json)
        raise failure
    return await _finish(tape, reason, out, as_json=as_json)


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _finish(tape: Tape, reason: str, out: TextIO, *, as_json: bool) -> RecordReport:
    report = await tape.close(reason)
    out.write((msgspec.json.encode(report).decode() if as_json else report.text()) + "\n")
    out.flush()
    return report


async def _listen(tape: Tape, settings: Settings, clock: Clock) -> None:
    await tape.begun()
    bus = bus_of(settings, f"{settings.gateway.name}-record", clock, ENGINEER)
    await bus.run(tape.filters, tape.on_messages)


async def _show(tape: Tape, clock: Clock, out: TextIO, *, shown: bool) -> None:
    await tape.begun()
    try:
        while True:
            await clock.sleep(PROGRESS_S)
            if shown:
                out.write(f"\r{tape.progress()}")
                out.flush()
    finally:
        if shown:
            out.write("\n")


async def _time_up(tape: Tape, clock: Clock, seconds: float | None) -> None:
    await tape.begun()
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await clock.sleep(seconds)


def run_record(
    settings: Settings,
    folder: Path,
    *,
    seconds: float | None,
    as_json: bool = False,
    out: TextIO = sys.stdout,
) -> int:
    """`record` as a process, until SIGTERM or Ctrl-C; a second one leaves it unsealed.

    Returns
    -------
    int
        Exit status: 0; 1 if the capture ended early or is unsealed; 2 if it was refused.
    """

    async def main() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, stop, number)
        report = await record(
            settings, folder, seconds=seconds, as_json=as_json, out=out, stop=stop
        )
        return report.exit_status

    try:
        return asyncio.run(main())
    except (SettingsError, CaptureError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_ERROR


def _stop(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        # Sealing hours takes more than a moment; what is on the disk can be replayed without.
        _log.warning("capture_left_unsealed")
        os._exit(BY_SIGNAL + number)
    stop.set()
