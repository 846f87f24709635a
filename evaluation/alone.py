"""A benchmark in a process of its own, with one thread: nothing that ran before it counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

THREAD_COUNTS: Final = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

Row = dict[str, object]


def measured_alone(module: str) -> list[Row]:
    """The rows that a module prints as JSON when it is run.

    Raises
    ------
    subprocess.CalledProcessError
        If the measurement fails; its own words are on standard error.
    """
    done = subprocess.run(  # noqa: S603 (a module of ours, by this interpreter)
        [sys.executable, "-m", module],
        env={**os.environ, **dict.fromkeys(THREAD_COUNTS, "1")},
        cwd=Path(__file__).resolve().parent.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=list[Row])
