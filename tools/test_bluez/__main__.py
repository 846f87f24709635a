"""``./run test-bluez``: the command."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.test_bluez import image, machine, packages

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT_S: Final = 600.0
"""Measured: a minute and a half to three on two shared cores. Beyond that it hangs."""
TAIL_LINES: Final = 60
"""Of the guest's console, shown where a check failed."""
OUTPUT: Final = "/dev/ttyS1"


class Report:
    """What came of the checks."""

    def __init__(self) -> None:
        self.checks: list[dict[str, object]] = []
        self.error: str | None = "the guest ended before its last check"

    @property
    def passed(self) -> bool:
        """Whether all of them were done, and passed."""
        return self.error is None and all(each["passed"] for each in self.checks)


def main(arguments: list[str] | None = None) -> int:
    """Run once; the exit status is 1 if a check failed, 2 if none could be begun."""
    parser = argparse.ArgumentParser(prog="./run test-bluez", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the report for a program")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for all of it")
    parser.add_argument("--console", type=Path, help="keep the guest's console in this file")
    parser.add_argument(
        "--cache", type=Path, default=packages.cache_folder(), help="where downloads are kept"
    )
    asked = parser.parse_args(arguments)
    # So that the guest ends with us, whoever ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wardlight-test-bluez-") as folder:
        console = asked.console or Path(folder) / "console.log"
        try:
            machine.find_qemu()
            _tell(f"packages in {asked.cache}")
            parts = packages.fetch(asked.cache)
            report = _run(parts, Path(folder), console, asked.limit)
        except packages.NotHereError as error:
            _tell(f"cannot be run here: {error}")
            return 2
        seconds = time.monotonic() - begun
        if asked.json:
            said = {
                "passed": report.passed,
                "error": report.error,
                "seconds": round(seconds, 1),
                "versions": parts.versions,
                "checks": report.checks,
            }
            sys.stdout.write(json.dumps(said, indent=1) + "\n")
        else:
            sys.stdout.write("\n".join(_table(report, parts.versions, seconds)) + "\n")
        if not report.passed:
            lines = console.read_text("utf-8", "replace").splitlines() if console.exists() else []
            _tell("\n".join(("the end of the guest's console:", *lines[-TAIL_LINES:])))
    return 0 if report.passed else 1


def _run(parts: packages.Parts, folder: Path, console: Path, limit_s: float) -> Report:
    """Boot the guest and listen to it."""
    # Under emulation compiling takes several times as long as running.
    for each in (
        "contract",
        "detectors",
        "edge",
        "firmware_sim",
        "messaging",
        "tools",
        "wardlight",
    ):
        compileall.compile_dir(ROOT / each, quiet=2)
    initrd = folder / "initrd.gz"
    initrd.write_bytes(image.build(parts.busybox, parts.modules, _script(parts)))
    _tell(f"booting {parts.versions}")
    report = Report()
    try:
        for line in machine.run(parts.kernel, initrd, console, limit_s=limit_s):
            _take(report, line)
    except machine.TookTooLongError as error:
        report.error = str(error)
    return report


def _script(parts: packages.Parts) -> str:
    """What the guest's shell does: our Python, seeing what this one sees."""
    environment = {
        "HOME": "/run",
        "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *(each for each in sys.path if each)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [
        *("env", "-i", *(f"{name}={value}" for name, value in environment.items())),
        *(sys.executable, "-m", "tools.test_bluez.guest"),
        *(str(parts.bluetoothd), str(parts.libraries), OUTPUT),
    ]
    return f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(command)}\n"


def _take(report: Report, line: str) -> None:
    """One line that the guest wrote."""
    try:
        said = json.loads(line)
    except ValueError:
        _tell(line)  # QEMU's own words
        return
    if "progress" in said:
        _tell(said["progress"])
    elif "check" in said:
        report.checks.append(said)
    else:
        report.error = said.get("error")


def _table(report: Report, versions: str, seconds: float) -> Iterator[str]:
    width = max((len(str(each["check"])) for each in report.checks), default=0)
    for each in report.checks:
        mark = "passed" if each["passed"] else "FAILED"
        yield f"{mark}  {each['check']!s:{width}}  {each['detail']}"
    if report.error is not None:
        yield f"FAILED  {report.error}"
    passed = sum(bool(each["passed"]) for each in report.checks)
    failed = len(report.checks) - passed + (report.error is not None)
    yield f"{versions}, {seconds:.0f} s"
    yield f"{passed} passed, {failed} failed"


def _tell(what: str) -> None:
    sys.stderr.write(f"test-bluez: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
