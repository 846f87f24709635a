"""The folder of a home that lives for one replay."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from wardlight import scratch


@pytest.fixture(autouse=True)
def _nobody_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)


def test_it_lies_in_memory_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "ROOM_BYTES", 1)
    with scratch.scratch_folder("a-") as folder:
        assert Path(folder).parent == tmp_path
        assert Path(folder).stat().st_mode & 0o077 == 0, "for us alone"
    assert not Path(folder).exists()


@pytest.mark.parametrize("why", ["somebody chose", "no room", "no such folder"])
def test_it_lies_elsewhere_where_memory_will_not_do(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(chosen))
    monkeypatch.setattr(scratch, "MEMORY", memory)
    monkeypatch.setattr(scratch, "ROOM_BYTES", 2**63 if why == "no room" else 1)
    if why == "somebody chose":
        monkeypatch.setenv("TMPDIR", str(chosen))
    if why != "no such folder":
        memory.mkdir()
    with scratch.scratch_folder("a-") as folder:
        assert Path(folder).parent == chosen
