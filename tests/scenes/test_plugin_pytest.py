"""The pytest plugin, run by pytest."""

from __future__ import annotations

import pytest

from wardlight.scenes import SceneError, SceneFailedError, Timeline

pytest_plugins = ["pytester"]

SETTLED = "residents={'ada': {}}, staff={'mei': {'post': 'night carer', 'looks_after': ['ada']}}"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs tests in a folder and a process of their own."""
    # Otherwise an installed entry point would load the plugin a second time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run_tests(text: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess(
            "-p", "wardlight.testing", "--strict-markers", "-W", "error"
        )

    return run_tests


def test_a_missed_page_reads_like_a_sentence_with_its_timeline(run):
    result = run(f"""
        import pytest

        @pytest.mark.wardlight_home({SETTLED})
        def test_it(home):
            home.at(0).press_button("ada")
            home.expect_page("night carer", within=(5, 12))
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "Expected a page to night carer between 5 and 12 s, but it was sent at *too early. "
            "*test_a_missed_page*.py:6*",
            "What happened:",
            "*0.000 s  in truth    ada presses_button",
            "* s  page to     mei (night carer)  help_requested*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")
    result.stdout.no_fnmatch_line("*gateway_started*")


def test_fixtures_markers_and_files(run, pytester):
    pytester.path.joinpath("base.yaml").write_text(
        "scene: Base\nresidents: {ada: {}}\nexpect: [{no_alarm: true}]\nlasts: 3\n"
    )
    pytester.path.joinpath("good.scene.yaml").write_text(
        "scene: Good\nresidents: {ada: {}}\nexpect: [{nothing_else: true}]\nlasts: 3\n"
    )
    pytester.path.joinpath("bad.scene.yaml").write_text("scene: Bad\nexpect: [{pge: mei}]\n")
    pytester.path.joinpath("missed.scene.yaml").write_text(
        "scene: Missed\nresidents: {ada: {}}\nexpect: [{page: mei, within: 2}]\n"
    )
    result = run(
        f"""
        import pytest

        @pytest.mark.wardlight_home({SETTLED})
        def test_words(at, expect):
            at(2).press_button("ada").expect_page("mei", within=(0, 3))
            expect(alert="help_requested", resident="ada", within=(2, 5), times=1)

        def test_said_in_the_test(home):
            home.resident("rose", streaming=True).staff("tom", post="night carer", shown="Tom B")
            home.setting(seed=4, lasts=10)
            home.at(0).press_button("rose")
            home.expect_page("night carer", about="rose", within=3)
            outcome = home.run()
            assert [line.person for line in outcome.only("page")] == ["tom"]
            assert outcome.seed == 4
            assert outcome.cast.settings.staff[0].name == "Tom B"

        @pytest.mark.wardlight_home("base.yaml", seed=2)
        def test_begun_in_a_file(home):
            assert home.scene.title == "Base"
            assert home.scene.seed == 2
        """,
    )
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["*bad.scene.yaml:2: expect*did you mean 'page'?"])
    result.stdout.fnmatch_lines(["Expected a page to mei between 0 and 2 s, but it was never*"])


def test_what_a_test_does_wrong_is_said(run):
    result = run("""
        import pytest

        def test_nothing_expected(home):
            home.at(0).fall("ada")

        def test_unknown_resident(home):
            home.at(0).fall("adda")
            home.expect_no_alarm()

        def test_failed_before(home):
            home.expect_no_alarm()
            assert not home

        def test_skipped(home):
            pytest.skip("not now")

        @pytest.mark.wardlight_home(residens={})
        def test_marker(home):
            pass
        """)
    result.assert_outcomes(failed=3, errors=1, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "This timeline expects nothing, so it proves nothing*",
            "*.py:7: fall: there is no resident 'adda'; did you mean 'ada'?",
            "*UsageError: wardlight_home does not know 'residens'*",
        ]
    )


def test_other_projects_pay_nothing(run):
    result = run("""
        import sys

        def test_nothing_heavy_is_loaded():
            heavy = {"numpy", "scipy", "sqlalchemy", "structlog", "wardlight.scenes"}
            assert not heavy & set(sys.modules)
        """)
    result.assert_outcomes(passed=1)


def test_a_timeline_is_played_once():
    timeline = Timeline("Once").resident("ada").setting(lasts=2)
    timeline.expect_page("mei", within=1)
    with pytest.raises(SceneFailedError, match="it was never sent") as caught:
        timeline.run()
    assert not caught.value.outcome.passed
    with pytest.raises(SceneError, match=r"test_plugin_pytest.py:\d+: this timeline was played"):
        timeline.at(3)._happen("fall", "ada")
    with pytest.raises(SceneError, match="was played"):
        timeline.run()
