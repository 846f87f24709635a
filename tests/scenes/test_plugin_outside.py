"""The plugin and the documented examples in a project of their own, in another process."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "replay.md"
RECORDING = ROOT / "examples" / "scenes" / "simulated-trials.parquet"

_EXAMPLE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

WHERE_FROM = """
import sys
from importlib.metadata import entry_points
from pathlib import Path

import contract
import wardlight.testing


def test_it_comes_from_where_it_was_installed(request):
    place = {place!r}
    assert Path(wardlight.testing.__file__).is_relative_to(place)
    assert Path(contract.__file__).is_relative_to(place)
    assert {repository!r} not in [str(Path(folder).resolve()) for folder in sys.path]
    assert request.config.pluginmanager.has_plugin("wardlight")


def test_the_button(home):
    home.resident("ada").setting(lasts=5)
    home.at(0).press_button("ada")
    home.expect_page("night carer", about="ada", within=(0, 3))
"""


def examples() -> dict[str, str]:
    return dict(_EXAMPLE.findall(DOCUMENT.read_text(encoding="utf-8")))


def run_pytest(python: str, project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    kept.pop("PYTHONPATH", None)
    return subprocess.run(
        [python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=project,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_document_holds_three_whole_examples():
    assert sorted(examples()) == ["night-fall.scene.yaml", "test_night.py", "test_recorded.py"]


def test_the_documented_examples_pass_in_a_project_of_their_own(tmp_path):
    """And installing it is enough for pytest to find it. All in one process: a start takes longer
    than most of them."""
    for name, text in examples().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy(RECORDING, tmp_path)
    (tmp_path / "test_mine.py").write_text(
        "def test_it(request, pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('wardlight')\n"
        "    assert request.getfixturevalue('home').at\n"
        "    request.getfixturevalue('home').setting(lasts=2).expect_no_alarm()\n"
    )
    result = run_pytest(sys.executable, tmp_path, "-rp")
    assert result.returncode == 0, result.stdout + result.stderr
    passed = re.findall(r"^PASSED ([\w.-]+)::", result.stdout, re.MULTILINE)
    assert set(passed) == {*examples(), "test_mine.py"}, result.stdout


@pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None,
    reason="hatchling, which builds the wheel, is not installed",
)
def test_the_wheel_brings_it_to_another_environment(tmp_path):
    """Built, installed into an environment without this repository, used from a project."""
    wheels, environment, project = tmp_path / "wheels", tmp_path / "venv", tmp_path / "project"
    project.mkdir()
    _do(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels))
    (wheel,) = wheels.glob("*.whl")
    _do(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    _do(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps",
        "--no-index", "--no-compile", "--disable-pip-version-check", str(wheel))  # fmt: skip
    site = next(environment.glob("lib/python*/site-packages"))
    # What it depends on comes from here. A folder that a .pth file names is only a folder: the
    # link to this repository that lies in it is not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    text = WHERE_FROM.format(place=str(site), repository=str(ROOT))
    (project / "test_installed.py").write_text(text)
    result = run_pytest(str(python), project)
    assert result.returncode == 0, result.stdout + result.stderr


def _do(*command: str) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
