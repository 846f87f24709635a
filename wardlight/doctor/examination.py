"""Running the checks beside each other, each of them alone with its troubles."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from contract.clock import now_us
from contract.units import NS_PER_MS
from wardlight import __version__
from wardlight.doctor.context import Context
from wardlight.doctor.findings import (
    REPORT_SCHEMA,
    URGENCY,
    Check,
    Entry,
    Finding,
    Level,
    Report,
    fault,
    warning,
    worst,
)
from wardlight.doctor.table import checks_of
from wardlight.doctor.words import duration, reason

GOODBYE_S: Final = 1.0
"""For a check that was out of time to let go of what it holds."""

_log = structlog.get_logger(__name__)


async def examine(
    context: Context, checks: Sequence[Check] | None = None, only: Collection[str] = ()
) -> Report:
    """Make the checks and say what they found, the most urgent first.

    Parameters
    ----------
    context
        Closed at the end.
    checks
        Default all that the home has.
    only
        Groups to look at, with what they need from others; empty for all.
    """
    at_us = now_us(context.clock)
    every = checks_of(context) if checks is None else tuple(checks)
    chosen = _with_needs(every, only)
    tasks: dict[str, asyncio.Task[Entry]] = {}
    for check in chosen:
        # Those that wait look for the others' tasks only once they run.
        tasks[check.title] = asyncio.create_task(_make(check, context, tasks))
    try:
        entries = [await tasks[check.title] for check in chosen]
    finally:
        await context.close()
    order = {check.title: place for place, check in enumerate(chosen)}
    entries.sort(key=lambda each: (URGENCY[each.level], order[f"{each.group} / {each.check}"]))
    counts = Counter(each.level for each in entries)
    return Report(
        schema=REPORT_SCHEMA,
        version=__version__,
        settings=str(context.path or "environment"),
        home=context.settings.home.id,
        at_us=at_us,
        level=worst(counts),
        counts={level: counts[level] for level in Level},
        entries=entries,
        error=None,
    )


def _with_needs(checks: Sequence[Check], only: Collection[str]) -> tuple[Check, ...]:
    """The checks of the groups in `only`, and all that those need."""
    by_title = {check.title: check for check in checks}
    chosen: set[str] = set()
    for check in checks:
        needed: Check | None = check if not only or check.group in only else None
        while needed is not None:
            chosen.add(needed.title)
            needed = by_title[needed.needs] if needed.needs is not None else None
    return tuple(check for check in checks if check.title in chosen)


async def _make(check: Check, context: Context, tasks: Mapping[str, asyncio.Task[Entry]]) -> Entry:
    """Make one check, unless one that it needs found a fault."""
    if check.needs is not None:
        needed = await tasks[check.needs]
        if needed.level is Level.FAULT:
            root = needed.because or check.needs
            finding = fault(f"not looked at: {root} is at fault", "Mend that first.")
            return _entry(check, finding, 0.0, because=root)
    began_ns = context.machine.monotonic_ns()
    finding = await _look(check, context)
    took_ms = (context.machine.monotonic_ns() - began_ns) / NS_PER_MS
    return _entry(check, finding, took_ms)


def _entry(check: Check, finding: Finding, took_ms: float, because: str | None = None) -> Entry:
    return Entry(
        group=check.group,
        check=check.name,
        level=finding.level,
        found=finding.found,
        advice=finding.advice,
        figures=finding.figures,
        took_ms=round(took_ms, 3),
        because=because,
    )


async def _look(check: Check, context: Context) -> Finding:
    """What the check finds; that it breaks or hangs is a finding too."""
    looking = asyncio.ensure_future(check.look(context))
    limit = asyncio.ensure_future(context.machine.sleep(check.limit_s))
    try:
        await asyncio.wait((looking, limit), return_when=asyncio.FIRST_COMPLETED)
        if not looking.done():
            await _let_go(looking, context)
            return fault(
                f"no result within {duration(check.limit_s)}",
                "Look at what it waits for (network, disk, name server), and try again.",
            )
        return looking.result()
    except ModuleNotFoundError as error:
        return warning(
            f"{error.name} is not installed here",
            "Run the doctor on the machine of the services too, or install wardlight[server].",
        )
    except (Exception, asyncio.CancelledError) as error:
        if not looking.done():
            looking.cancel()
            raise  # it is we who are cancelled
        _log.warning("check_broke", check=check.title, exc_info=error)
        return fault(
            f"the check broke: {type(error).__name__}: {reason(error)}",
            "Take it as a fault until a person has looked, and report it with the log.",
        )
    finally:
        limit.cancel()


async def _let_go(looking: asyncio.Future[Finding], context: Context) -> None:
    """Cancel, and wait a moment for it to end; not for ever."""
    looking.cancel()
    goodbye = asyncio.ensure_future(context.machine.sleep(GOODBYE_S))
    await asyncio.wait((looking, goodbye), return_when=asyncio.FIRST_COMPLETED)
    goodbye.cancel()
    if looking.done() and not looking.cancelled():
        looking.exception()  # it is told already that it was too late
