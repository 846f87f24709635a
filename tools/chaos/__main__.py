"""``./run chaos``: the command."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import structlog

from tools.chaos.report import as_json, as_text
from tools.chaos.run import HOURS, RATE, Options, Run


def main(arguments: list[str] | None = None) -> int:
    """Run once; the exit status is 1 if something was lost."""
    parser = argparse.ArgumentParser(prog="./run chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="of residents, faults and alarms; default new")
    parser.add_argument("--store", choices=("sqlite", "influx"), default="sqlite")
    parser.add_argument(
        "--hours",
        type=float,
        default=float(os.environ.get("HOURS", HOURS)),
        help=f"of the home; default HOURS of the environment, or {HOURS:g}",
    )
    parser.add_argument("--rate", type=float, default=RATE, help="how much faster the home lives")
    parser.add_argument("--json", action="store_true", help="the report for a program")
    parser.add_argument("--keep", action="store_true", help="keep the folder with every log")
    parser.add_argument(
        "--sabotage",
        action="store_true",
        help="empty an outbox by hand on the way: the ledger must show it, and the run fail",
    )
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    folder = Path(tempfile.mkdtemp(prefix="wardlight-chaos-"))
    folder.chmod(0o711)  # PostgreSQL has an account of its own, and must come in
    sys.stderr.write(f"chaos: seed {seed}, logs in {folder}\n")
    options = Options(folder, seed, asked.store, asked.hours, asked.rate, asked.sabotage)
    report = asyncio.run(Run(options).play())
    if asked.json:
        sys.stdout.write(json.dumps(as_json(report), indent=1) + "\n")
    else:
        sys.stdout.write(as_text(report) + "\n")
    if report.passed and not asked.keep:
        shutil.rmtree(folder)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
