"""``./run bench``: speed, as ratios to a peer or a bound measured in the same run.

Prints a table and writes ``var/bench.json``: a list of ``name``, ``value``, ``unit``,
``against``, ``ratio``, ``bar`` and ``ok``. Absolute figures are noise on a shared machine;
read the ratios. A row without a bar is there to be looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from evaluation.bench_detectors import bench_detectors
from evaluation.whereabouts.bench import bench_whereabouts
from evaluation.whereabouts.bench_home import bench_home
from wardlight.bench_air import bench_air
from wardlight.bench_day import bench_day
from wardlight.bench_ingest import bench_ingest
from wardlight.bench_latency import bench_latency
from wardlight.bench_radio import bench_fuzz, bench_radio, bench_week
from wardlight.logs import set_up_logs

Row = dict[str, Any]

OUTPUT: Final = Path("var/bench.json")

BENCHES: Final[dict[str, Callable[[], list[Row]]]] = {
    "detectors": bench_detectors,
    "whereabouts": bench_whereabouts,
    "home": bench_home,
    "latency": bench_latency,
    "ingest": bench_ingest,
    "air": bench_air,
    "day": bench_day,
    "radio": bench_radio,
    "week": bench_week,
    "fuzz": bench_fuzz,
}
LONG: Final = frozenset({"air", "day", "week", "fuzz"})
"""Those that take minutes: only when they are asked for by name."""


def _table(rows: list[Row]) -> str:
    head = ("name", "value", "unit", "against", "ratio", "bar", "")
    lines = [
        head,
        *(
            (
                row["name"],
                _number(row["value"]),
                row["unit"],
                str(row["against"] or ""),
                _number(row["ratio"]),
                _number(row["bar"]),
                "" if row["bar"] is None else ("ok" if row["ok"] else "MISSED"),
            )
            for row in rows
        ),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main(arguments: list[str] | None = None) -> int:
    """Run the named benches, or all but the long; the exit status is 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    names = parser.parse_args(arguments).names or [name for name in BENCHES if name not in LONG]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    set_up_logs("warning")
    rows: list[Row] = []
    for name in names:
        sys.stderr.write(f"{name} ...\n")
        rows += BENCHES[name]()
    sys.stdout.write(_table(rows) + "\n")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    sys.stderr.write(f"written to {OUTPUT}\n")
    return 0 if all(row["ok"] for row in rows if row["bar"] is not None) else 1


if __name__ == "__main__":
    sys.exit(main())
