"""No secret gets into a log, by whichever way it is said."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.messages import WearableConfig
from wardlight.logs import set_up_logs
from wardlight.redaction import HIDDEN, hide, redact

KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"

DEVICE_KEY = "0405" * 7 + "badc"
WEARABLE = WearableConfig(device="w-1", address="", key=DEVICE_KEY)


@pytest.fixture
def written():
    """What is written: ``written(lambda log: log.info(...))``."""
    before = logging.getLogger().handlers, logging.getLogger().level

    def say(work) -> str:
        out = io.StringIO()
        set_up_logs("info", out)
        work(structlog.get_logger("test"))
        text = out.getvalue()
        assert all(json.loads(line) for line in text.splitlines())
        return text

    yield say
    logging.getLogger().handlers, level = before
    logging.getLogger().setLevel(level)


def raises(text: str):
    def work(log) -> None:
        try:
            raise ValueError(text)
        except ValueError:
            log.exception("broke")

    return work


@pytest.mark.parametrize(
    "work",
    [
        lambda log: log.info("x", password="hush"),
        lambda log: log.info("x", broker_password="hush", deep={"token": "hush", "list": ["y"]}),
        lambda log: log.info("x", contact="ntfy://ntfy.sh/hush"),
        lambda log: log.info("to tgram://hush/12345 it goes"),
        lambda log: log.info("x", url="mqtt://me:hush@broker:1883"),
        lambda log: log.info("x", url="postgresql+psycopg://me:hu/hush@db/records"),
        lambda log: log.info("x", url="https://example.org/page?token=hush"),
        lambda log: log.info("x", many=["mqtt://me:hush@broker"]),
        lambda log: log.info("x", key=DEVICE_KEY),
        lambda log: log.info("x", wearable=WEARABLE),
        lambda log: log.info("x", config=[{"device": "w-1", "key": DEVICE_KEY}]),
        lambda log: log.info(f'got {{"key": "{DEVICE_KEY.upper()}"}}'),
        raises(f"cannot use {WEARABLE!r}"),
        lambda log: log.info("x", pem=KEY.replace("MIGH", "hush")),
        lambda log: log.info("x", pem=KEY.replace("MIGH", "hush")[:50]),
        lambda log: log.info("x", content='{"key": "' + "hush" * 40 + '"}'),
        raises("cannot reach mqtts://me:hush@broker"),
        raises(KEY.replace("MIGH", "hush")),
        lambda _: logging.getLogger("apprise").warning("Failed: %s", "json://me:hush@host/x"),
        lambda _: logging.getLogger("sqlalchemy").warning("postgresql://me:hush@db/records"),
        lambda log: log.info("x", error=ValueError("ntfy://hush")),
    ],
)
def test_it_is_not_there(written, work) -> None:
    text = written(work)
    assert text
    assert "hush" not in text
    assert DEVICE_KEY not in text.lower()
    assert HIDDEN in text or "page" in text


def test_what_helps_a_reader_stays(written) -> None:
    text = written(
        lambda log: log.info(
            "broker_not_reached",
            url="mqtts://10.0.0.5:8883",
            board="http://127.0.0.1:8080/board",
            key="resident-3:fall:1",
            next_try_s=0.25,
            beds=["2/F 212-A"],
        )
    )
    for kept in ("mqtts://10.0.0.5:8883", "http://127.0.0.1:8080/board", "resident-3:fall:1"):
        assert kept in text
    assert json.loads(text)["next_try_s"] == 0.25
    assert json.loads(text)["beds"] == ["2/F 212-A"]


@given(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.text(st.characters(codec="ascii", exclude_characters="\"'<>\\@ ", categories="LNPS"),
            min_size=6),
)  # fmt: skip
def test_no_password_survives_in_an_address(user: str, password: str) -> None:
    for scheme in ("mqtt", "postgresql", "ntfy", "https"):
        shown = hide(f"failed: {scheme}://{user}:{password}#@broker.example")
        assert f":{password}#" not in shown


@settings(max_examples=50)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))  # fmt: skip
def test_whatever_is_logged_it_does_not_break(value) -> None:
    assert set(redact(None, "info", {"event": "x", "value": value})) == {"event", "value"}
