"""A report as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Final

from wardlight.doctor.findings import Entry, Level, Report
from wardlight.doctor.words import counted

_HEADINGS: Final[Mapping[Level, str]] = MappingProxyType(
    {Level.FAULT: "FAULTS", Level.WARNING: "WARNINGS", Level.OK: "IN ORDER"}
)


def told(report: Report) -> str:
    """The whole report, the most urgent first, grouped within."""
    if report.error is not None:
        return report.error
    lines = [f"Home {report.home}, settings from {report.settings}: {_summary(report)}"]
    for level, entries in groupby(report.entries, key=lambda entry: entry.level):
        lines += ["", _HEADINGS[level], *_section(list(entries))]
    return "\n".join(lines)


def _summary(report: Report) -> str:
    unmade = sum(entry.because is not None for entry in report.entries)
    counts = report.counts
    return (
        f"{counted(counts[Level.FAULT] - unmade, 'fault')}, "
        f"{counted(counts[Level.WARNING], 'warning')}, {counts[Level.OK]} in order"
        + (f", {unmade} not looked at." if unmade else ".")
    )


def _section(entries: list[Entry]) -> Iterator[str]:
    own = [entry for entry in entries if entry.because is None]
    for group, members in groupby(own, key=lambda entry: entry.group):
        yield f"  {group}"
        for entry in members:
            yield f"    {entry.check}: {entry.found}"
            if entry.advice:
                yield f"      -> {entry.advice}"
    waiting = sorted(
        (entry for entry in entries if entry.because is not None), key=lambda e: str(e.because)
    )
    for because, members in groupby(waiting, key=lambda entry: entry.because):
        names = ", ".join(f"{entry.group} / {entry.check}" for entry in members)
        yield f"  not looked at until {because} is mended: {names}"
