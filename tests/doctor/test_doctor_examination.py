"""How checks are run and told: alone with their troubles, bounded, in order, for scripts."""

from __future__ import annotations

import asyncio
import io
import json
import threading

import msgspec
import pytest
from typer.testing import CliRunner

from contract.clock import ScaledClock, SystemClock
from contract.events import FaultCause
from messaging.mosquitto import free_port
from wardlight.cli import app
from wardlight.doctor import GROUPS, Check, Context, Finding, Level, Report, doctor, examine, told
from wardlight.doctor.context import in_thread
from wardlight.doctor.findings import fault, ok, warning
from wardlight.doctor.standing import REMEDIES, level_of, remedy_of
from wardlight.doctor.table import checks_of


async def fine(_: Context) -> Finding:
    return ok("fine")


async def odd(_: Context) -> Finding:
    return warning("odd", "Know it.")


async def bad(_: Context) -> Finding:
    return fault("bad", "Mend it.")


async def breaks(_: Context) -> Finding:
    raise KeyError("what was not there")


async def gives_up(_: Context) -> Finding:
    raise asyncio.CancelledError


async def not_installed(_: Context) -> Finding:
    raise ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy")


def run(looking, *checks: Check) -> Report:
    # Limits pass a hundred times faster than the wall.
    context = Context(looking.settings(), SystemClock(), machine=ScaledClock(100))
    return asyncio.run(examine(context, checks))


def check(name: str, look, needs: str | None = None) -> Check:
    return Check(group="g", name=name, look=look, needs=needs)


def test_a_check_that_breaks_is_a_fault_and_the_others_are_made(looking, found) -> None:
    report = run(looking, check("a", breaks), check("b", fine), check("c", gives_up))
    assert found(report, "g / a").level is Level.FAULT
    assert "KeyError" in found(report, "g / a").found
    assert "what was not there" in found(report, "g / a").found
    assert found(report, "g / b").level is Level.OK
    assert found(report, "g / c").level is Level.FAULT


def test_a_check_that_hangs_is_a_fault_and_holds_nothing_up(looking, found) -> None:
    release = threading.Event()

    async def waits(_: Context) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    async def hangs_in_a_thread(_: Context) -> Finding:
        await in_thread(release.wait)
        raise AssertionError

    async def will_not_go(_: Context) -> Finding:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await in_thread(lambda: release.wait(0.5))
        return ok("too late")

    try:
        report = run(
            looking,
            check("a", waits),
            check("b", hangs_in_a_thread),
            check("c", will_not_go),
            check("d", fine),
        )
    finally:
        release.set()
    for name in "abc":
        assert found(report, f"g / {name}").level is Level.FAULT
        assert "no result within 10 s" in found(report, f"g / {name}").found
    assert found(report, "g / d").level is Level.OK


def test_what_is_not_installed_here_is_said_and_is_no_fault(looking, found) -> None:
    entry = found(run(looking, check("a", not_installed)), "g / a")
    assert entry.level is Level.WARNING
    assert entry.found == "sqlalchemy is not installed here"


def test_the_most_urgent_comes_first_and_waits_are_folded(looking) -> None:
    report = run(
        looking,
        check("fine", fine),
        check("odd", odd),
        check("bad", bad),
        check("waits", fine, needs="g / bad"),
        check("waits too", fine, needs="g / waits"),
        check("does not wait", fine, needs="g / odd"),
    )
    assert [entry.check for entry in report.entries] == [
        "bad",
        "waits",
        "waits too",
        "odd",
        "fine",
        "does not wait",
    ]
    assert [entry.because for entry in report.entries[:3]] == [None, "g / bad", "g / bad"]
    assert report.counts == {Level.FAULT: 3, Level.WARNING: 1, Level.OK: 2}
    text = told(report)
    assert text.index("FAULTS") < text.index("WARNINGS") < text.index("IN ORDER")
    assert "1 fault, 1 warning, 2 in order, 2 not looked at." in text
    assert "bad: bad\n      -> Mend it." in text
    assert "not looked at until g / bad is mended: g / waits, g / waits too" in text


@pytest.mark.parametrize(
    ("looks", "level"),
    [((fine,), Level.OK), ((fine, odd), Level.WARNING), ((fine, bad, odd), Level.FAULT)],
)
def test_the_worst_decides(looking, looks, level: Level) -> None:
    checks = [check(str(number), look) for number, look in enumerate(looks)]
    assert run(looking, *checks).level is level


def test_every_check_has_its_place_and_what_it_needs(looking) -> None:
    checks = checks_of(Context(looking.settings(), SystemClock()))
    titles = [each.title for each in checks]
    assert len(titles) == len(set(titles))
    assert {each.group for each in checks} == set(GROUPS)
    before: set[str] = set()
    for each in sorted(checks, key=lambda c: c.needs is not None):
        assert each.needs is None or each.needs in titles
        before.add(each.title)


def test_every_cause_of_a_fault_has_a_remedy() -> None:
    assert set(REMEDIES) == set(FaultCause)
    for remedy in REMEDIES.values():
        assert remedy.level is not Level.OK
        assert remedy.advice.endswith(".")
    assert level_of("a cause of a later version") is Level.FAULT
    assert "Update" in remedy_of("a cause of a later version").advice


SETTINGS = """
[home]
id = "demo"
[broker]
url = "mqtt://127.0.0.1:{port}"
[gateway]
folder = "{folder}/gateway"
radio = "simulated"
[ingest]
store = "{folder}/store.sqlite"
[alerts]
database = "sqlite:///{folder}/records.sqlite"
[web]
port = {port}
"""


def written(looking, text: str = ""):
    path = looking.folder / "home.toml"
    path.write_text(SETTINGS.format(port=free_port(), folder=looking.folder) + text)
    return path


def test_a_fault_ends_with_one(looking) -> None:
    out = io.StringIO()
    assert doctor(written(looking), as_json=False, out=out) == 1
    text = out.getvalue()
    assert text.startswith(f"Home demo, settings from {looking.folder}/home.toml:")
    assert "-> Start the broker" in text
    assert "no resident is entered" in text


def test_warnings_alone_end_with_zero(looking) -> None:
    out = io.StringIO()
    status = doctor(written(looking), as_json=True, out=out, only=("certificates", "sound"))
    report = json.loads(out.getvalue())
    assert status == 0
    assert report["level"] == "warning"
    assert {entry["group"] for entry in report["entries"]} == {"certificates", "sound"}


@pytest.mark.parametrize("as_json", [True, False])
def test_settings_that_cannot_be_read_end_with_two(looking, as_json: bool) -> None:
    path = written(looking, '[staffs]\nid = "mei"\n')
    out = io.StringIO()
    assert doctor(path, as_json=as_json, out=out) == 2
    assert "unknown key 'staffs'" in out.getvalue()
    assert "did you mean 'staff'" in out.getvalue()
    if as_json:
        report = json.loads(out.getvalue())
        assert report["error"]
        assert report["entries"] == []
        assert report["level"] == "fault"


def test_no_file_and_no_such_group_end_with_two(looking) -> None:
    out = io.StringIO()
    assert doctor(looking.folder / "none.toml", as_json=False, out=out) == 2
    assert doctor(written(looking), as_json=False, out=out, only=("brokers",)) == 2
    assert "unknown group 'brokers'" in out.getvalue()


def test_the_json_is_what_scripts_rely_on(looking) -> None:
    out = io.StringIO()
    doctor(written(looking), as_json=True, out=out)
    report = json.loads(out.getvalue())
    assert list(report) == [
        "schema",
        "version",
        "settings",
        "home",
        "at_us",
        "level",
        "counts",
        "entries",
        "error",
    ]
    assert report["schema"] == 1
    assert list(report["counts"]) == ["fault", "warning", "ok"]
    assert sum(report["counts"].values()) == len(report["entries"])
    for entry in report["entries"]:
        assert list(entry) == [
            "group",
            "check",
            "level",
            "found",
            "advice",
            "figures",
            "took_ms",
            "because",
        ]
        assert entry["level"] in ("fault", "warning", "ok")
        assert entry["found"]
        assert bool(entry["advice"]) == (entry["level"] != "ok"), entry
    assert msgspec.json.decode(out.getvalue(), type=Report).home == "demo"


def test_a_level_of_the_log_that_there_is_not_is_refused() -> None:
    result = CliRunner().invoke(app, ["doctor", "--log", "loud"])
    assert result.exit_code == 2
    assert "use one of debug, info, warning" in result.output
