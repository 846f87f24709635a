"""The words: complete in both languages, true to the design, and chosen as browsers ask."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dashboards.web
from alerts.policy import CALLING_STEPS, LogKind
from alerts.views import ResidentState, ResolutionOutcome, StaffRole
from contract.events import EVENT_CLASS, EventKind, FaultCause
from contract.messages import AbsenceKind, IncidentState, Priority, Role
from contract.whereabouts import WhereaboutsPolicy
from dashboards.web.board import ACTIONS
from dashboards.web.language import Language, choose_language
from dashboards.web.resident_cards import SWITCHES
from dashboards.web.strings import TEXTS
from dashboards.web.vocabulary import FAULTS, KINDS, LOG, OUTCOMES, ROLES, STAFF_ROLES, STEPS
from dashboards.web.words import WORDS
from edge.page import words as gateway_words

HERE = Path(dashboards.web.__file__).parent

PAIRS = {
    **TEXTS,
    **{f"kind {key}": pair for key, pair in KINDS.items()},
    **{f"fault {key}": text.what for key, text in FAULTS.items()},
    **{f"remedy {key}": text.to_do for key, text in FAULTS.items()},
    **{f"outcome {key}": pair for key, pair in OUTCOMES.items()},
    **{f"log {key}": pair for key, pair in LOG.items()},
    **{f"step {key}": pair for key, pair in STEPS.items()},
    **{f"role {key}": pair for key, pair in (*ROLES.items(), *STAFF_ROLES.items())},
}

TABLES = (
    (KINDS, EventKind),
    (FAULTS, FaultCause),
    (OUTCOMES, ResolutionOutcome),
    (LOG, LogKind),
    (STEPS, CALLING_STEPS),
    (ROLES, Role),
    (STAFF_ROLES, StaffRole),
)


@pytest.mark.parametrize(("table", "values"), TABLES)
def test_everything_that_can_be_said_has_words(table, values):
    assert set(table) == {str(value) for value in values}


def values_in(text):
    return {field for _, field, _, _ in Formatter().parse(text) if field}


def test_every_text_has_both_halves_with_the_same_values():
    for key, (english, chinese) in PAIRS.items():
        bare = re.sub(r"{\w+}", "", english)
        assert english.strip(), key
        assert re.search(r"[\u4e00-\u9fff]", chinese) or not re.search("[a-z]", bare), key
        assert values_in(english) == values_in(chinese), key


def test_a_machine_never_confirms():
    for key, (english, chinese) in PAIRS.items():
        assert "confirm" not in english.lower(), key
        assert "確認" not in chinese, key
        assert "確診" not in chinese, key


def test_the_words_of_the_design():
    assert TEXTS["acknowledge"] == ("Acknowledge", "我去處理")
    assert KINDS["fall_detected"] == ("Fall detected", "懷疑跌倒")
    assert KINDS["may_have_got_up"].en == "May have got up"
    assert KINDS["elopement"].zh == "懷疑擅自離院"
    assert STAFF_ROLES["care_worker"].zh == "護理員"
    assert STAFF_ROLES["health_worker"].zh == "保健員"
    assert STAFF_ROLES["manager"].zh == "主管"
    assert TEXTS["residents"].zh == "院友"
    assert "樓層" in TEXTS["floor"].zh


def test_every_key_that_pages_use_is_there_and_every_text_is_used():
    sources = [path.read_text() for path in (*HERE.glob("*.py"), *HERE.glob("templates/*.html"))]
    everything = "\n".join(sources)
    asked = set(re.findall(r"""\bt\(['"](\w+)['"]""", everything))
    asked |= set(re.findall(r"""words\(\s*['"](\w+)['"]""", everything))
    asked |= {f"state_{state}" for state in IncidentState}
    asked |= {f"priority_{priority}" for priority in Priority}
    asked |= {f"resident_{state}" for state in ResidentState}
    asked |= {f"{what}_{action}" for action in ACTIONS for what in ("did", "already")}
    asked |= set(ACTIONS)
    asked |= {f"away_{what}{kind}" for kind in AbsenceKind for what in ("", "is_", "ask_")}
    asked |= {f"ask_{name}" for name in WhereaboutsPolicy.__struct_fields__}
    asked |= {f"ask_{name}_help" for name in SWITCHES}
    missing = asked - set(TEXTS)
    assert not missing
    elsewhere = re.sub(r'"\w+": Pair', "", everything)
    unused = {key for key in TEXTS if key not in asked and f'"{key}"' not in elsewhere}
    assert not unused


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (-5, "0 s", "0 秒"),
        (59.9, "59 s", "59 秒"),
        (60, "1 min", "1 分鐘"),
        (3_599, "59 min", "59 分鐘"),
        (3_600, "1 h 0 min", "1 小時 0 分鐘"),
        (90_000, "1 d 1 h", "1 天 1 小時"),
    ],
)
def test_ages(seconds, english, chinese):
    assert WORDS[Language.ENGLISH].age(seconds) == english
    assert WORDS[Language.CHINESE].age(seconds) == chinese


def test_what_a_newer_sender_says_is_shown_as_it_is():
    words = WORDS[Language.ENGLISH]
    assert words.kind("moon_landing") == "moon landing"
    assert words.fault("moon_missing") == ("Fault: moon_missing", FAULTS["broker_lost"].to_do.en)


@pytest.mark.parametrize(
    ("query", "cookie", "accept", "expected"),
    [
        (None, None, None, Language.ENGLISH),
        (None, None, "zh-TW,zh;q=0.9,en;q=0.8", Language.CHINESE),
        (None, None, "yue-Hant-HK", Language.CHINESE),
        (None, None, "en;q=0.3, zh-HK;q=0.7", Language.CHINESE),
        (None, None, "zh;q=0, en", Language.ENGLISH),
        (None, None, "fr, de", Language.ENGLISH),
        (None, "zh-Hant", "en", Language.CHINESE),
        ("en", "zh-Hant", "zh", Language.ENGLISH),
        ("xx", "zh-Hant", None, Language.CHINESE),
    ],
)
def test_choosing_a_language(query, cookie, accept, expected):
    assert choose_language(query, cookie, accept) is expected


@given(st.text(), st.text(), st.text())
def test_no_header_breaks_the_choice(query, cookie, accept):
    assert choose_language(query, cookie, accept) in Language


def test_every_alarm_has_a_short_name_for_a_card():
    for kind in EVENT_CLASS:
        assert len(KINDS[kind].en) <= 24
        assert len(KINDS[kind].zh) <= 8


def test_the_gateways_own_page_says_it_in_the_same_words():
    for key, pair in gateway_words.KINDS.items():
        assert tuple(pair) == tuple(KINDS[key]), key
    for key, pair in gateway_words.CAUSES.items():
        assert tuple(pair) == tuple(FAULTS[key].what), key
    assert tuple(gateway_words.TEXTS["acknowledge"]) == tuple(TEXTS["acknowledge"])
