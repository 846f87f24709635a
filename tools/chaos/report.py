"""What a run of chaos says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from contract.units import US_PER_S
from tools.chaos.inject import Done
from tools.chaos.judge import Loss, What
from tools.chaos.plan import Fault
from tools.chaos.run import Report

NEAR_US: Final = 30 * US_PER_S
"""A loss so near to a fault stands in its row, too: how it may have come about."""

SHOWN: Final = 40
"""Losses told one by one; points come by the hundred."""

_COLUMNS: Final = tuple(What)


def as_text(report: Report) -> str:
    """A table of faults and losses, and each loss with its circumstances."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    options = report.options
    yield (
        f"chaos: seed {options.seed}, store {options.store}, {options.hours:g} h of the home at "
        f"{options.rate:g} times its speed"
    )
    yield ""
    widths = [max(len(column), 5) for column in _COLUMNS]
    header = "  ".join(f"{column:>{width}}" for column, width in zip(_COLUMNS, widths, strict=True))
    yield f"{'fault':16} {'times':>5}  {header}"
    for fault in Fault:
        done = [each for each in report.injected if each.fault is fault]
        cells = _cells(_near(report.losses, done), widths)
        yield f"{fault:16} {len(done):>5}  {cells}"
    yield f"{'all':16} {len(report.injected):>5}  {_cells(report.losses, widths)}"
    yield ""
    targets = Counter(each.target for each in report.injected)
    yield "injured: " + ", ".join(f"{name} {count}" for name, count in sorted(targets.items()))
    yield (
        f"{report.answered} of {report.alarms} alarms alerted once and paged; "
        f"{report.pages} pages; {report.steps_late} steps late, each with its reason"
    )
    yield f"{report.points_made} points made durable, {report.points_stored} in the store"
    for text in report.left_out:
        yield f"not injected: {text}"
    for text in report.invented:
        yield f"alert about nothing (a detector's mistake, no loss): {text}"
    for text in report.insisted:
        yield f"alert again, as a gateway had not been told that she was helped up: {text}"
    for loss in report.losses[:SHOWN]:
        yield f"LOST  {loss.what}: {loss.detail}{_circumstances(report, loss)}"
    if len(report.losses) > SHOWN:
        yield f"      and {len(report.losses) - SHOWN} more (--json)"
    if not report.injected:
        yield "FAILED: no fault was injected"
    if not report.alarms:
        yield "FAILED: there was no alarm"
    if report.passed:
        yield "passed: nothing was lost"
    else:
        yield f"FAILED. Again: ./run chaos --seed {options.seed} --store {options.store}"


def _cells(losses: list[Loss], widths: list[int]) -> str:
    counts = Counter[What]()
    for loss in losses:
        counts[loss.what] += loss.times
    return "  ".join(
        f"{counts[column]:>{width}}" for column, width in zip(_COLUMNS, widths, strict=True)
    )


def _near(losses: list[Loss], done: list[Done]) -> list[Loss]:
    return [loss for loss in losses if any(_is_near(loss, each) for each in done)]


def _is_near(loss: Loss, done: Done) -> bool:
    if loss.at_us is None:
        return False
    return done.from_us - NEAR_US <= loss.at_us <= done.to_us + NEAR_US


def _circumstances(report: Report, loss: Loss) -> str:
    near = [f"{each.fault} of {each.target}" for each in report.injected if _is_near(loss, each)]
    return f" (near: {', '.join(near)})" if near else ""


def as_json(report: Report) -> dict[str, Any]:
    """The same for a program, with every loss."""
    options = report.options
    return {
        "passed": report.passed,
        "seed": options.seed,
        "store": options.store,
        "hours": options.hours,
        "rate": options.rate,
        "injected": [each._asdict() for each in report.injected],
        "not_injected": report.left_out,
        "alarms": report.alarms,
        "alarms_answered": report.answered,
        "pages": report.pages,
        "steps_late_with_reason": report.steps_late,
        "points_made": report.points_made,
        "points_stored": report.points_stored,
        "alerts_about_nothing": report.invented,
        "alerts_again_as_gateways_were_not_told": report.insisted,
        "losses": [loss._asdict() for loss in report.losses],
        "totals": {
            column: sum(loss.times for loss in report.losses if loss.what is column)
            for column in _COLUMNS
        },
    }
