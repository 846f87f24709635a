"""The check of the hazard log finds what it is there to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.hazards import LOG, faults

HEAD = """# Hazard log

## Controlled

| id | hazard | cause | control | where | test |
| --- | --- | --- | --- | --- | --- |
"""
WAITING = """
## Not controlled yet

| id | hazard | cause | control to come | meanwhile |
| --- | --- | --- | --- | --- |
"""
GOOD = "| H1 | a | b | c | `edge/siren.py` | `tests/test_siren.py::test_it_sounds` |\n"


@pytest.fixture
def repository(tmp_path: Path):
    def make(controlled: str, waiting: str = "| W1 | a | b | c | look |\n") -> Path:
        (tmp_path / LOG).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / LOG).write_text(HEAD + controlled + WAITING + waiting)
        (tmp_path / "edge").mkdir(exist_ok=True)
        (tmp_path / "edge/siren.py").touch()
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests/test_siren.py").write_text("def test_it_sounds():\n    pass\n")
        return tmp_path

    return make


def test_a_good_log_has_no_faults(repository):
    assert faults(repository(GOOD)) == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("| H1 | a | b |  |  | `tests/test_siren.py::test_it_sounds` |\n", "has no control"),
        ("| H1 | a | b | c | `edge/siren.py` |  |\n", "has no test"),
        (GOOD.replace("test_it_sounds", "test_gone"), "test_gone, which does not exist"),
        (GOOD.replace("edge/siren.py", "edge/gone.py"), "edge/gone.py, which does not exist"),
        (GOOD + GOOD, "stands twice"),
        ("", "no controlled hazard"),
    ],
)
def test_a_bad_row_is_named(repository, row, said):
    assert any(said in fault for fault in faults(repository(row)))


def test_a_waiting_hazard_says_what_staff_do(repository):
    assert any("meanwhile" in f for f in faults(repository(GOOD, "| W1 | a | b | c |  |\n")))


def test_a_missing_log_is_a_fault(tmp_path):
    assert faults(tmp_path) == [f"{LOG} is missing"]
