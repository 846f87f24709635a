"""``wardlight doctor``: looks a home over (broker, gateways, services, radio, people, records,
store, disks, clocks, certificates, sound, settings), says what it found and what to do about each
fault, and ends with a status that a script can read. It changes nothing: it writes one scratch
topic that nobody subscribes to, and one scratch file beside what is kept, and takes both away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TextIO

import msgspec

from contract.clock import SystemClock, now_us
from wardlight import __version__
from wardlight.doctor.context import Context
from wardlight.doctor.examination import examine
from wardlight.doctor.findings import REPORT_SCHEMA, Check, Entry, Finding, Level, Report
from wardlight.doctor.table import GROUPS
from wardlight.doctor.telling import told
from wardlight.services import clock_of
from wardlight.settings import SettingsError, load_settings

__all__ = [
    "GROUPS",
    "Check",
    "Context",
    "Entry",
    "Finding",
    "Level",
    "Report",
    "doctor",
    "examine",
    "told",
]

EXIT_STATUS: Final[Mapping[Level, int]] = MappingProxyType(
    {Level.OK: 0, Level.WARNING: 0, Level.FAULT: 1}
)
UNREADABLE: Final = 2
"""Exit status when there are no settings to go by."""


def doctor(config: Path | None, *, as_json: bool, out: TextIO, only: Collection[str] = ()) -> int:
    """Look the home over that `config` describes, and write what was found to `out`.

    Logs go where the caller sent them; standard error suits.

    Parameters
    ----------
    config
        Settings file; None for the environment and the defaults.
    as_json
        One JSON object (`Report`) instead of text.
    only
        Groups (`GROUPS`) to look at, with what they need; empty for all.

    Returns
    -------
    int
        0 if all is well or only warnings were found, 1 if there is a fault, 2 if the settings
        cannot be read.
    """
    try:
        settings = load_settings(config)
        unknown = sorted(set(only) - set(GROUPS))
        if unknown:
            raise SettingsError(f"unknown group {unknown[0]!r}: one of {', '.join(GROUPS)}")
    except SettingsError as error:
        _write(_unreadable(config, str(error)), out, as_json=as_json)
        return UNREADABLE
    context = Context(settings, clock_of(settings), path=config)

    async def run() -> Report:
        return await examine(context, only=only)

    report = asyncio.run(run())
    _write(report, out, as_json=as_json)
    return EXIT_STATUS[report.level]


def _unreadable(config: Path | None, error: str) -> Report:
    return Report(
        schema=REPORT_SCHEMA,
        version=__version__,
        settings=str(config or "environment"),
        home=None,
        at_us=now_us(SystemClock()),
        level=Level.FAULT,
        counts=dict.fromkeys(Level, 0),
        entries=[],
        error=error,
    )


def _write(report: Report, out: TextIO, *, as_json: bool) -> None:
    out.write((msgspec.json.encode(report).decode() if as_json else told(report)) + "\n")
    out.flush()
