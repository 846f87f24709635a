from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from firmware_sim.layouts import (
    HomeEvent,
    RefusedLayoutError,
    UnknownLayoutError,
    Unreadable,
    casas_events,
    detect_layout,
    import_events,
    import_motion,
)
from firmware_sim.layouts.casas import MalformedLineError, parse_line
from wardlight.cli import app

PACIFIC = ZoneInfo("America/Los_Angeles")
LINE = "2011-06-15 01:03:39.14962 Bedroom Bedroom ON Sleep"
EVENT = HomeEvent(
    datetime(2011, 6, 15, 8, 3, 39, 149620, tzinfo=UTC), "Bedroom", "Bedroom", "ON", "Sleep"
)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("name", ["data", "al.txt", "al.csv.gz", "al/data/ann.txt"])
def test_plain_or_gzip_by_content_and_never_by_name(published, packed, windows, name):
    text = (LINE + "\n").encode() * 3
    text = text.replace(b"\n", b"\r\n") if windows else text
    published.write(name, gzip.compress(text) if packed else text)
    assert detect_layout(published.root).layout == "casas"
    assert list(casas_events(published.root, PACIFIC)) == [EVENT] * 3
    assert list(casas_events(published.root / name, PACIFIC)) == [EVENT] * 3


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (LINE, ("Bedroom", "Bedroom", "ON", "Sleep")),
        (LINE.replace(" ", "\t"), ("Bedroom", "Bedroom", "ON", "Sleep")),
        (LINE.replace(" ", ","), ("Bedroom", "Bedroom", "ON", "Sleep")),
        ("2011-06-15 01:03:39.14962,Bedroom,ON,Sleep", ("Bedroom", "Bedroom", "ON", "Sleep")),
        ("2011-06-15 01:03:39 M003 ON", ("M003", "M003", "ON", None)),
        ("2011-06-15 01:03:39 D001 Door open Leave_Home", ("D001", "Door", "OPEN", "Leave_Home")),
        ("2011-06-15 01:03:39 M1 ON Sleep begin", ("M1", "M1", "ON", "Sleep begin")),
        ("2011-06-15 01:03:39.1 T002 Hall Wall 21.5", ("T002", "Hall Wall", "21.5", None)),
        ("2011-06-15 01:03:39.1234567 M2,,OFF,", ("M2", "M2", "OFF", None)),
        ("2011-06-15,01:03:39.1,M2,,OFF,", ("M2", "M2", "OFF", None)),
    ],
)
def test_the_variations_of_a_line(line, fields):
    event = parse_line(line)
    assert event[1:] == fields
    assert event.at.replace(microsecond=0) == datetime(2011, 6, 15, 1, 3, 39)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2011-06-15 01:03:39", "2 fields"),
        ("2011-06-15 01:03:39.1 Bedroom Bedroom", "no message"),
        ("15.6.2011 01:03:39 Bedroom ON", "no date"),
        ("2011-06-31 01:03:39 Bedroom ON", "no date"),
        ("2011-06-15 25:03:39 Bedroom ON", "no date"),
        ("2011-06-15 01:03:39.1x Bedroom ON", "no date"),
    ],
)
def test_what_is_no_event(line, reason):
    with pytest.raises(MalformedLineError, match=reason):
        parse_line(line)


@given(st.text(max_size=80))
def test_any_text_is_an_event_or_malformed(text):
    try:
        event = parse_line(text)
    except MalformedLineError:
        return
    assert event.sensor is not None
    assert event.message


def test_bad_lines_are_numbered_and_the_others_go_on(published):
    lines = ["date,time,sensor,message,activity", LINE, "", "rubbish", LINE, LINE[:25]]
    published.write("data.csv", b"\xef\xbb\xbf" + "\n".join(lines).encode())
    assert list(casas_events(published.root, PACIFIC)) == [
        EVENT,
        Unreadable("data.csv:4", "1 fields, expected date, time, sensor and message"),
        EVENT,
        Unreadable("data.csv:6", "2 fields, expected date, time, sensor and message"),
    ]


def test_a_year_that_utc_does_not_have(published):
    published.write("data", "0001-01-01 00:00:00 M1 ON\n" + LINE)
    first, second = casas_events(published.root, ZoneInfo("Asia/Hong_Kong"))
    assert first.source == "data:1"
    assert second.at == datetime(2011, 6, 14, 17, 3, 39, 149620, tzinfo=UTC)


def test_a_damaged_gzip_gives_what_came_before_and_says_so(published):
    text = "".join(
        f"2011-06-15 01:{i // 60:02d}:{i % 60:02d}.{i * 7919 % 1000:03d} Bedroom Bedroom ON Sleep\n"
        for i in range(3_000)
    )
    packed = gzip.compress(text.encode())
    published.write("data.gz", packed[: len(packed) // 2])
    *events, last = casas_events(published.root, PACIFIC)
    assert len(events) > 100
    assert isinstance(last, Unreadable)
    assert "after line" in last.reason


def test_a_very_long_line_is_one_bad_line(published):
    published.write("data", f"{LINE}\n{'x' * 200_000}\n{LINE}\n{'y' * 10}")
    found = list(casas_events(published.root, PACIFIC))
    assert found[0] == found[2] == EVENT
    assert found[1] == Unreadable("data:2", "longer than 1000 characters")
    assert found[3].source == "data:4"


def test_the_hour_that_comes_twice(published):
    walls = ["00:59:50", "01:20:00", "01:50:00", "01:49:58", "01:05:00", "01:55:00", "02:10:00"]
    published.write("data", "\n".join(f"2011-11-06 {wall} M1 ON" for wall in walls))
    utc = [event.at.strftime("%H:%M:%S") for event in casas_events(published.root, PACIFIC)]
    assert utc == [
        "07:59:50",
        "08:20:00",
        "08:50:00",
        "08:49:58",  # two seconds out of order, still the first time
        "09:05:00",
        "09:55:00",
        "10:10:00",
    ]


@given(st.lists(st.integers(0, 4 * 3600), min_size=2, max_size=30, unique=True).map(sorted))
def test_wall_clocks_become_the_time_they_were(seconds):
    from firmware_sim.layouts.casas import _WallClock

    zone = timezone(timedelta(hours=8))
    start = datetime(2024, 1, 1, tzinfo=UTC)
    in_utc = _WallClock(zone)
    for second in seconds:
        truth = start + timedelta(seconds=second)
        assert in_utc(truth.astimezone(zone).replace(tzinfo=None)) == truth


def test_events_are_no_motion(published, out):
    published.write("data", f"{LINE}\n" * 5)
    with pytest.raises(RefusedLayoutError, match="no motion"):
        import_motion(published.root, out)
    with pytest.raises(RefusedLayoutError, match="no motion"):
        import_motion(published.root, out, layout="casas")


def test_events_become_a_file(published, out):
    reading = LINE.replace("Bedroom Bedroom ON Sleep", "T101 Kitchen 22.5")
    published.write("data", f"{LINE}\n{reading}\nno event\n{LINE}\n")
    report = import_events(published.root, out, PACIFIC)
    assert (report.events, report.by_message) == (3, {"ON": 2, "reading": 1})
    assert [each.split(":")[:2] for each in report.unreadable] == [["data", "3"]]
    assert report.exit_status == 1
    rows = pq.read_table(out).to_pylist()
    assert HomeEvent(**rows[0]) == EVENT
    assert (rows[1]["message"], rows[1]["activity"]) == ("22.5", None)


def test_no_events_leave_the_older_file(published, out):
    out.write_text("older")
    published.write("README", "Nothing here\n")
    with pytest.raises(UnknownLayoutError, match="no CASAS events"):
        import_events(published.root, out, PACIFIC)
    assert out.read_text() == "older"
    assert [path.name for path in out.parent.glob(".*partial")] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--zone Area/City"),
        (["--zone", "Hong Kong"], "there is no time zone 'Hong Kong'"),
        (["--zone", "../etc"], "there is no time zone"),
        (["--zone", "Asia/Hong_Kong", "--placement", "wrist"], "for motion"),
    ],
)
def test_what_the_command_needs_is_said(published, out, options, said):
    published.write("data", f"{LINE}\n" * 5)
    result = CliRunner().invoke(app, ["import", str(published.root), "--out", str(out), *options])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not out.exists()


def test_the_command_writes_the_file_and_says_what_is_in_it(published, out):
    published.write("data", f"{LINE}\n" * 5)
    order = ["import", str(published.root), "--out", str(out), "--zone", "America/Los_Angeles"]
    result = CliRunner().invoke(app, order)
    assert result.exit_code == 0
    assert result.stdout.startswith("CASAS: 5 events in 0.0 days (5 ON).")
    assert pq.read_table(out).num_rows == 5
