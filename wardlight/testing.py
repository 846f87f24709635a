"""A pytest plugin: tests of a whole home that read as a timeline.

    def test_a_fall_at_night(home):
        home.at(0).fall("ada")
        home.at(45).acknowledge("mei")
        home.expect_page("night carer", within=(30, 45))
        home.expect_no_alarm(between=(0, 30))

The home runs when the test function has said everything, or at ``home.run()``: the real
services in this process, on a virtual clock, so that an hour takes seconds and is the same
every time. Files named ``*.scene.yaml`` are tests too. See ``docs/replay.md``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    # pytest loads this plugin in every project that has Wardlight installed: what is heavy is
    # imported by the tests that use it.
    from wardlight.scenes import Moment, Timeline

MARKER: Final = "wardlight_home"
SCENE_SUFFIX: Final = ".scene.yaml"
_TABLES: Final = ("residents", "staff", "rooms", "gateways")
_SETTINGS: Final = ("seed", "starts", "settle", "lasts")

_home_of = pytest.StashKey["Timeline"]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(scene=None, *, residents={{}}, staff={{}}, rooms={{}}, gateways={{}}, seed, "
        "starts, settle, lasts): the home of the fixture 'home', in the words of a scene; "
        "'scene' is a YAML file to begin with, as seen from the test's folder.",
    )


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Timeline:
    """A home on a virtual clock: say what happens and what is expected, and it is played when
    the test function ends.
    """
    from wardlight.scenes import Timeline, read_scene

    folder = request.path.parent
    marker = request.node.get_closest_marker(MARKER)
    given: dict[str, Any] = {}
    if marker is not None:
        given = dict(zip(("scene",), marker.args, strict=False)) | marker.kwargs
        _check_marker(given, len(marker.args))
    file = given.pop("scene", None)
    scene = None if file is None else read_scene(folder / file)
    timeline = Timeline(request.node.name, scene=scene, folder=folder)
    for table in _TABLES:
        for name, values in given.pop(table, {}).items():
            timeline.declare(table, name, values)
    timeline.setting(**given)
    request.node.stash[_home_of] = timeline
    return timeline


@pytest.fixture
def at(home: Timeline) -> Callable[[float], Moment]:
    """``at(40).fall("ada")``: the same as ``home.at``."""
    return home.at


@pytest.fixture
def expect(home: Timeline) -> Callable[..., Timeline]:
    """``expect(page="night carer", within=(30, 45))``: the same as ``home.expect``."""
    return home.expect


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Play the home of a test that has said everything, as a part of the test."""
    timeline = item.stash.get(_home_of, None)
    if timeline is None:
        return (yield)
    with quiet_logs():
        result = yield
        if timeline.outcome is None:
            _play(timeline)
    return result


def _play(timeline: Timeline) -> None:
    from wardlight.scenes import SceneError, SceneFailedError

    if not timeline.scene.expects:
        pytest.fail(
            "This timeline expects nothing, so it proves nothing: say home.expect_…, or "
            "home.run() and look at the outcome yourself.",
            pytrace=False,
        )
    said = ""
    try:
        timeline.run()
    except (SceneError, SceneFailedError) as error:
        said = str(error)
    if said:  # outside, or pytest would print it as an error while handling another
        pytest.fail(said, pytrace=False)


def _check_marker(given: dict[str, Any], positional: int) -> None:
    known = ("scene", *_TABLES, *_SETTINGS)
    strange = [name for name in given if name not in known]
    if strange or positional > 1:
        said = f"{strange[0]!r}" if strange else "more than one scene"
        raise pytest.UsageError(f"{MARKER} does not know {said}; it knows {', '.join(known)}")


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep all but the services' errors out of a test's output, unless the project has set up
    structlog itself: then their logs go where it wants them.
    """
    import structlog

    if structlog.is_configured():
        yield
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.reset_defaults()


# --- scenes in files of their own --------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect ``*.scene.yaml``."""
    if file_path.name.endswith(SCENE_SUFFIX):
        collector: pytest.Collector = SceneFile.from_parent(parent, path=file_path)
        return collector
    return None


class SceneFile(pytest.File):
    """A file that holds one scene."""

    def collect(self) -> Iterable[SceneItem]:
        yield SceneItem.from_parent(self, name=self.path.name.removesuffix(SCENE_SUFFIX))


class SceneItem(pytest.Item):
    """A scene as a test."""

    def runtest(self) -> None:
        from wardlight.scenes import SceneError, play_and_judge, read_scene
        from wardlight.scenes.report import failure_text

        try:
            with quiet_logs():
                outcome = play_and_judge(read_scene(self.path))
            said = "" if outcome.passed else failure_text(outcome)
        except SceneError as error:
            said = str(error)
        if said:
            pytest.fail(said, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"scene: {self.name}"
