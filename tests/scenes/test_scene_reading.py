"""Reading scenes: what is right is read whole, what is wrong is named with its place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.clock import DEFAULT_VIRTUAL_START
from wardlight.scenes import Expectation, Happening, SceneError, Timeline, read_scene
from wardlight.scenes.words import EXPECTATIONS, HAPPENINGS, TABLES


def faults_of(read, text: str) -> tuple[str, ...]:
    with pytest.raises(SceneError) as caught:
        read(text)
    return caught.value.faults


def test_a_scene_is_read_whole(read, tmp_path):
    scene = read(
        """
        scene: Everything
        seed: 3
        starts: 2026-03-01T02:30:00+08:00
        settle: 5
        lasts: 90
        residents:
          ada: {bed: 1-A, streaming: true}
          ben:
        staff:
          mei: {post: night carer, looks_after: everyone}
        happens:
          - {at: 1:10, fall: ada, then: struggles}
        expect:
          - {page: night carer, within: [5, 12], after: 70}
          - {alert: fall_detected, within: 80, times: 2}
          - {no_alarm: true}
        """
    )
    assert (scene.title, scene.seed, scene.settle_s, scene.lasts_s) == ("Everything", 3, 5, 90)
    assert scene.starts == datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    assert [entry.name for entry in scene.residents] == ["ada", "ben"]
    assert scene.residents[0].values["streaming"] is True
    assert scene.residents[1].values["placement"] == "wrist"
    assert scene.staff[0].values["looks_after"] == "everyone"
    place = tmp_path / "test.scene.yaml"
    assert scene.happens == (
        Happening(
            at_s=70, word="fall", subject="ada", options={"then": "struggles"}, where=f"{place}:13"
        ),
    )
    assert scene.expects == (
        Expectation(word="page", subject="night carer", from_s=75, until_s=82, where=f"{place}:15"),
        Expectation(
            word="alert",
            subject="fall_detected",
            options={"times": 2},
            until_s=80,
            where=f"{place}:16",
        ),
        Expectation(word="no_alarm", subject=True, where=f"{place}:17"),
    )


def test_what_is_not_said_has_its_default(read):
    scene = read("scene: Little\nhappens: [{at: 3, fall: ada}]")
    assert scene.starts == DEFAULT_VIRTUAL_START
    assert scene.happens[0].options == {"then": "lies"}
    assert scene.end_s() == 8


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ("{at: 0, fal: ada}", "happens[0]: unknown word 'fal'; did you mean 'fall'?"),
        ("{at: 0, fall: ada, then: lie}", "unknown then 'lie'; did you mean 'lies'?"),
        ("{at: 0, fall: ada, percent: 3}", "happens[0].fall: unknown word 'percent'"),
        ("{at: -1, fall: ada}", "happens[0].fall.at: -1 is too little: 0 or more"),
        ("{at: soon, fall: ada}", "a number is meant here"),
        ("{at: .nan, fall: ada}", "a number is meant here"),
        ("{at: .inf, fall: ada}", "a number is meant here"),
        ("{at: true, fall: ada}", "a number is meant here"),
        ("{fall: ada}", "'at' is missing"),
        ("{at: 0}", "does not say what"),
        ("{at: 0, fall: ada, reboot: ada}", "says fall and reboot: one to an item"),
        ("{at: 0, battery: ada}", "'percent' is missing"),
        ("{at: 0, battery: ada, percent: 120}", "120 is too much: 100 or less"),
        ("{at: 0, fall: [ada]}", "a name of a resident is meant here"),
        ("{at: 0, play: ada}", "'recording' is missing"),
        ("fall", "names with values are meant here, not 'fall'"),
        ("{at: 0, clock_synced: 1}", "a true or false is meant here"),
    ],
)
def test_a_wrong_happening_is_named(read, tmp_path, item, fault):
    (found, *_) = faults_of(read, f"scene: Wrong\nhappens:\n  - {item}\n")
    assert found.startswith(f"{tmp_path / 'test.scene.yaml'}:3: happens[0]")
    assert fault in found


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ("{pge: mei, within: 3}", "unknown word 'pge'; did you mean 'page'?"),
        ("{page: mei}", "'within' is missing"),
        ("{page: mei, within: [9, 2]}", "a window runs forward from 0 on, unlike 9 to 2"),
        ("{page: mei, within: [1, 2, 3]}", "a list of two numbers"),
        ("{page: mei, within: -4}", "a window runs forward"),
        ("{page: mei, within: [0, .inf]}", "a list of two numbers"),
        ("{page: mei, within: 4, times: 0}", "0 is too little"),
        ("{page: mei, within: 4, times: 1.5}", "a whole number is meant here"),
        ("{page: mei, between: 4, within: 3}", "unknown word 'between'"),
        ("{alert: fall_detectd, within: 3}", "did you mean 'fall_detected'?"),
        ("{fault: batery_low, within: 3}", "did you mean 'battery_low'?"),
        ("{no_alarm: false}", "a true is meant here"),
        ("{no_page: mei, within: 3}", "unknown word 'within'"),
    ],
)
def test_a_wrong_expectation_is_named(read, tmp_path, item, fault):
    (found, *_) = faults_of(read, f"scene: Wrong\n\nexpect:\n  - {item}\n")
    assert found.startswith(f"{tmp_path / 'test.scene.yaml'}:4: expect[0]")
    assert fault in found


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("scene: A\nhapens: []", 2, "unknown word 'hapens'; did you mean 'happens'?"),
        ("seed: 3", 1, "'scene' is missing"),
        ("scene: A\nstarts: 2026-01-01T00:00:00", 2, "date and time with time zone"),
        ("scene: A\nstarts: 2026-06-31T00:00:00Z", 2, "day is out of range"),
        ("scene: A\nresidents:\n  ada: {bad: 1-A}", 3, "residents.ada: unknown word 'bad'"),
        ("scene: A\nresidents:\n  ada: 3", 3, "residents.ada: names with values are meant"),
        ("scene: A\nresidents: [ada]", 2, "residents: names with values are meant here"),
        ("scene: A\nstaff:\n  mei: {role: nurs}", 3, "unknown role 'nurs'; did you mean 'nurse'?"),
        ("scene: A\nrooms:\n  hall: {at: 3}", 3, "rooms.hall.at: a list of two numbers"),
        ("scene: A\nscene: B", 2, "'scene' stands twice in the same table"),
        ("scene: A\nhappens: {fall: ada}", 2, "happens: a list is meant here"),
        ("scene: [", 1, "no valid YAML"),
        ("scene: !!python/object:os.system x", 1, ""),
        ("- scene: A", 1, "names with values are meant here"),
        ("scene: A\nhappens: &a [*a]", 2, "this refers to itself"),
        ("", 1, "the file is empty"),
    ],
)
def test_a_wrong_scene_is_named_with_its_line(read, tmp_path, text, line, fault):
    (found, *_) = faults_of(read, text)
    assert found.startswith(f"{tmp_path / 'test.scene.yaml'}:{line}")
    assert fault in found


def test_every_fault_is_found_in_one_reading(read):
    faults = faults_of(
        read,
        """
        scene: Bad
        residnts: {}
        happens:
          - {at: 0, fal: ada}
          - {at: -1, fall: ada}
        expect:
          - {page: mei, wthin: 3}
        """,
    )
    assert len(faults) == 5  # the last item has two: 'wthin', and no 'within'


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SceneError, match=r"nothing.yaml: cannot be read"):
        read_scene(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes("scene: für".encode("latin-1"))
    with pytest.raises(SceneError, match=r"latin.yaml: is not UTF-8"):
        read_scene(tmp_path / "latin.yaml")


_WORDS = [
    *HAPPENINGS, *EXPECTATIONS, *TABLES, "scene", "happens", "expect", "at", "within", "between",
    "after", "then", "ada", "mei", "any", "starts", "lasts", "times", "recording",
]  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.sampled_from(_WORDS)
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(_WORDS), _TREES, max_size=5))
def test_whatever_stands_in_a_file_is_read_or_refused_with_its_place(tmp_path_factory, tree):
    import yaml

    path = tmp_path_factory.getbasetemp() / "any.scene.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    scene, faults = None, ()
    try:
        scene = read_scene(path)
    except SceneError as error:
        faults = error.faults
    assert (scene is None) == bool(faults)
    assert all(fault.startswith(f"{path}:") for fault in faults)
    if scene is not None:
        assert all(happening.word in HAPPENINGS for happening in scene.happens)
        assert all(expectation.word in EXPECTATIONS for expectation in scene.expects)


def test_python_says_the_same_as_yaml(read):
    written = read(
        """
        scene: The same
        residents:
          ada: {streaming: true}
        happens:
          - {at: 2, fall: ada}
          - {at: 9, battery: ada, percent: 8}
        expect:
          - {page: mei, about: ada, within: [3, 9], after: 2}
          - {no_alert: any, between: [0, 2]}
        """
    )
    said = Timeline("The same").resident("ada", streaming=True)
    said.at(2).fall("ada").expect_page("mei", about="ada", within=(3, 9))
    said.at(9).battery("ada", 8)
    said.expect_no_alert(between=(0, 2))

    def bare(items):
        return [
            (i.word, i.subject, dict(i.options), getattr(i, "at_s", getattr(i, "from_s", None)),
             getattr(i, "until_s", None))
            for i in items
        ]  # fmt: skip

    assert bare(said.scene.happens) == bare(written.happens)
    assert bare(said.scene.expects) == bare(written.expects)
    assert said.scene.residents[0].values == written.residents[0].values


def test_a_wrong_line_of_python_is_named():
    timeline = Timeline("Wrong")
    with pytest.raises(SceneError, match=r"test_scene_reading.py:\d+: expect.*did you mean 'page'"):
        timeline.expect(pgae="mei", within=3)
    with pytest.raises(SceneError, match=r"test_scene_reading.py:\d+: fall.*unknown then 'dies'"):
        timeline.at(0).fall("ada", then="dies")
    with pytest.raises(ValueError, match="without a time zone"):
        timeline.setting(starts=datetime(2026, 1, 1))  # noqa: DTZ001
