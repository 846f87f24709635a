"""The hazard log, checked: a hazard without a control and a test fails ``./run check``.

``docs/safety/hazards.md`` holds two tables. Under *Controlled*, each row names the file that
controls the hazard and at least one test that would fail without the control. Under *Not
controlled yet*, each row says what staff must do meanwhile, so that nobody believes to be
protected who is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LOG: Final = Path("docs/safety/hazards.md")
_TEST: Final = re.compile(r"`(tests/[\w/.-]+\.py)::(\w+)`")
_FILE: Final = re.compile(r"`([\w/.-]+\.(?:py|html|js|css))`")

_COLUMNS: Final = {
    "Controlled": ("id", "hazard", "cause", "control", "where", "test"),
    "Not controlled yet": ("id", "hazard", "cause", "control to come", "meanwhile"),
}


def _rows(text: str, title: str) -> Iterator[dict[str, str]]:
    """Rows of the table under the heading `title`, by column."""
    _, _, section = text.partition(f"\n## {title}\n")
    section = re.split(r"\n## ", section)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        yield dict(zip(_COLUMNS[title], [*cells, *[""] * len(_COLUMNS[title])], strict=False))


def _has_test(root: Path, file: str, name: str) -> bool:
    path = root / file
    if not path.is_file():
        return False
    source = path.read_text("utf-8")
    return bool(
        re.search(rf"^\s*(async )?def {name}\(", source, re.M)
        or re.search(rf"^{name} = ", source, re.M)
    )


def _row_faults(root: Path, row: dict[str, str]) -> Iterator[str]:
    files = _FILE.findall(row["where"])
    tests = _TEST.findall(row["test"])
    if not row["control"] or not files:
        yield "has no control, or names no file that holds it"
    for file in files:
        if not (root / file).is_file():
            yield f"names a control in {file}, which does not exist"
    if not tests:
        yield "has no test"
    for file, name in tests:
        if not _has_test(root, file, name):
            yield f"names the test {file}::{name}, which does not exist"


def faults(root: Path) -> list[str]:
    """What is wrong with the hazard log of the repository at `root`; empty if nothing."""
    path = root / LOG
    if not path.is_file():
        return [f"{LOG} is missing"]
    text = path.read_text("utf-8")
    controlled = list(_rows(text, "Controlled"))
    waiting = list(_rows(text, "Not controlled yet"))
    found = [
        f"{LOG}: {row['id'] or row['hazard']}: {fault}"
        for row in controlled
        for fault in _row_faults(root, row)
    ]
    found += [
        f"{LOG}: {row['id'] or row['hazard']}: does not say what staff do meanwhile"
        for row in waiting
        if not row["meanwhile"]
    ]
    ids = [row["id"] for row in controlled + waiting]
    found += [f"{LOG}: {one}: stands twice" for one in sorted({i for i in ids if ids.count(i) > 1})]
    if not controlled:
        found.append(f"{LOG}: no controlled hazard was found; is the table there?")
    return found
