"""``./run check``: everything that can be said of the code without running it.

Each step is one row of a table. All steps run, so that one look shows all that is wrong;
``--fix`` formats the code and writes the schemas anew first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contract import schemas
from tools import hazards

ROOT: Final = Path(__file__).resolve().parent.parent
SCHEMA_FOLDER: Final = ROOT / "docs" / "schemas"


def _command(*words: str) -> Callable[[], str]:
    """A step that runs a tool of this environment; its output is the fault, if it fails."""

    def step() -> str:
        tool = Path(sysconfig.get_path("scripts")) / words[0]
        done = subprocess.run(  # noqa: S603 - fixed words from the table below
            [str(tool), *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or "failed"

    return step


def _schema_drift() -> str:
    """Compare the exported schemas with what the code says now."""
    wanted = schemas.render()
    present = {path.name: path.read_text("utf-8") for path in SCHEMA_FOLDER.glob("*.json")}
    faults = [
        f"docs/schemas/{name}: {'differs from' if name in present else 'is missing for'} the code"
        for name, text in wanted.items()
        if present.get(name) != text
    ]
    faults += [f"docs/schemas/{name}: belongs to no message" for name in present.keys() - wanted]
    return "\n".join([*faults, "Run ./run check --fix."]) if faults else ""


def _hazard_log() -> str:
    return "\n".join(hazards.faults(ROOT))


STEPS: Final[dict[str, Callable[[], str]]] = {
    "style (ruff)": _command("ruff", "check", "."),
    "format (ruff)": _command("ruff", "format", "--check", "."),
    "types (mypy --strict)": _command("mypy"),
    "import rules (import-linter)": _command("lint-imports"),
    "schemas match the code": _schema_drift,
    "hazard log has controls and tests": _hazard_log,
}


def _fix() -> None:
    SCHEMA_FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = schemas.render()
    for path in SCHEMA_FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (SCHEMA_FOLDER / name).write_text(text, "utf-8")
    for words in (("ruff", "check", "--fix", "--quiet", "."), ("ruff", "format", "--quiet", ".")):
        _command(*words)()


def main(arguments: list[str] | None = None) -> int:
    """Run every step; the exit status is 1 if one failed."""
    parser = argparse.ArgumentParser(prog="./run check", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="format, and write the schemas anew")
    if parser.parse_args(arguments).fix:
        _fix()
    failed = 0
    for name, step in STEPS.items():
        fault = step()
        failed += bool(fault)
        sys.stdout.write(f"{'FAILED' if fault else 'ok':6}  {name}\n")
        if fault:
            sys.stdout.write("".join(f"        {line}\n" for line in fault.splitlines()))
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
