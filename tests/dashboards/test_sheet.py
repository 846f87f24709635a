"""The downtime sheet: from the records alone, for a printer and for people."""

from __future__ import annotations

import json
import re
import shutil
import stat

import pytest
from typer.testing import CliRunner

from alerts import Database, Directory, StaffRole
from alerts.records.models import ManualCheck
from alerts.sheet import Contact, read_sheet
from contract.clock import VirtualClock, now_us
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from dashboards.sheet import render_html, render_text
from dashboards.sheet.words import CAUSES, LABELS, ROLES, WHAT_TO_DO
from wardlight.cli import app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NASTY = "O'Neil <script>alert(1)</script>"


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def records(tmp_path, clock):
    """Thirty-one residents on three floors."""
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    directory = Directory(database, "demo", clock)
    for number in range(31):
        floor = ("2/F", "3/F", "10/F")[number % 3]
        resident = f"r{number}"
        directory.add_resident(
            resident,
            name=NASTY if number == 1 else f"陳大文 Resident {number}",
            bed=f"{floor} {number:03}-A",
            floor=floor,
            plan="Walking frame; two to transfer" if number % 2 else "",
            contacts=[Contact(name="Chan Siu Ming", relation="son", phone="2345 6789")],
        )
        if number != 3:
            address = f"AA:BB:CC:00:00:{number:02X}"
            directory.add_wearable(
                f"w{number}", address=address, identity=number + 1, resident=resident
            )
    directory.add_staff(
        "mei", name="Wong Mei", floor="2/F", phone="9876 5432", contact="json://user:secret@host"
    )
    directory.add_staff("siu", name="Lau Siu", role=StaffRole.MANAGER, on_duty=False)
    directory.assign("mei", "r0")
    directory.set_plan([ZoneConfig(zone="front-door", use=ZoneUse.EXIT)])
    directory.set_whereabouts("r0", WhereaboutsPolicy(at_risk=True), by="siu")
    yield database
    database.close()


def sheet_of(database, clock, **options):
    values = {"printed_by": "Wong Mei", "every_s": 1_800}
    return read_sheet(database, "demo", clock, **{**values, **options})


def test_it_holds_bed_by_bed_who_lies_there_and_whom_to_call(records, clock):
    sheet = sheet_of(records, clock)
    assert [each.floor for each in sheet.floors] == ["10/F", "2/F", "3/F"]
    assert sum(len(each.lines) for each in sheet.floors) == 31
    line = next(each for floor in sheet.floors for each in floor.lines if each.bed == "2/F 000-A")
    assert line.resident == "陳大文 Resident 0"
    assert line.contacts[0].phone == "2345 6789"
    assert line.carers == ["Wong Mei"]
    assert line.placement == "wrist"
    unworn = next(each for floor in sheet.floors for each in floor.lines if each.bed == "2/F 003-A")
    assert unworn.placement is None
    assert sheet.staff[1].phone == "9876 5432"


def test_who_may_not_leave_alone_is_marked_on_paper(records, clock):
    """While nothing watches the exits, whoever stands at the door must know."""
    sheet = sheet_of(records, clock)
    assert [line.bed for floor in sheet.floors for line in floor.lines if line.at_risk] == [
        "2/F 000-A"
    ]
    for printed in (render_html(sheet, "Demo"), render_text(sheet, "Demo")):
        assert printed.count("不可獨自外出 May not leave alone") == 1


def test_one_floor_alone_and_one_that_is_not_there(records, clock):
    (floor,) = sheet_of(records, clock, floor="3/F").floors
    assert floor.floor == "3/F"
    with pytest.raises(ValueError, match="floors here: 10/F, 2/F, 3/F"):
        sheet_of(records, clock, floor="9/F")


def test_beds_that_are_without_cover_now_stand_on_top(records, clock):
    moment = now_us(clock)
    with records.transaction("demo") as session:
        session.add(
            ManualCheck(
                id="c",
                home="demo",
                floor="2/F",
                cause="gateway_silent",
                beds=["2/F 000-A"],
                every_s=1_800,
                since_us=moment,
                opened_at_us=moment,
                due_at_us=moment,
                next_at_us=moment,
                raised=0,
                checks=0,
            )
        )
    sheet = sheet_of(records, clock)
    for text in (render_html(sheet, "Home"), render_text(sheet, "Home")):
        assert "2/F 000-A: 閘道器沒有訊號 gateway silent (2026-01-02 04:00)" in text


def test_the_html_loads_nothing_runs_nothing_and_keeps_no_password(records, clock):
    html = render_html(sheet_of(records, clock), "Sunshine <b>Home</b>")
    assert "<script" not in html
    assert "<b>Home" not in html
    assert not re.search(r"https?://|src=|url\(|@import", html)
    assert "secret" not in html
    assert html.count("<section>") == 3
    assert "break-before:page" in html
    assert "列印者 by Wong Mei" in html
    assert "2026-01-02 04:00" in html


def test_the_text_has_every_bed_and_a_form_feed_between_floors(records, clock):
    text = render_text(sheet_of(records, clock), "Home")
    assert text.count("[ ] ") == 31
    assert text.count("\f") == 2
    assert "Look after each bed every 30 minutes" in text
    assert "Chan Siu Ming (son) 2345 6789" in text
    assert "Lau Siu · 主管 Manager · 非當值 off duty" in text


def test_a_home_without_residents_says_so(tmp_path, clock):
    database = Database(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    database.upgrade()
    Directory(database, "demo", clock)
    sheet = sheet_of(database, clock)
    assert "No residents are entered" in render_html(sheet, "Home")
    assert "No residents are entered" in render_text(sheet, "Home")
    database.close()


def test_every_label_is_there_in_both_languages():
    for label in (*LABELS.values(), *WHAT_TO_DO, *CAUSES.values(), *ROLES.values()):
        assert re.search(r"[\u4e00-\u9fff]", label.zh)
        assert re.search("[a-z]", label.en)
        assert "確認" not in label.zh


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def run(records, tmp_path):
    config = tmp_path / "home.toml"
    config.write_text(
        f'[home]\nid = "demo"\nname = "Sunshine"\n[alerts]\ndatabase = '
        f'"sqlite:///{tmp_path / "records.sqlite"}"\n[broker]\nurl = "mqtt://127.0.0.1:1"\n'
    )

    def invoke(*arguments: str):
        return CliRunner().invoke(app, ["sheet", "--config", str(config), *arguments])

    return invoke


def test_with_broker_and_services_down_it_is_printed(run):
    done = run("--by", "Mei")
    assert done.exit_code == 0, done.output
    assert done.output.count("[ ] ") == 31
    assert "列印者 by Mei" in done.output


def test_it_is_written_for_its_owner_only(run, tmp_path):
    out = tmp_path / "sheet.html"
    out.write_text("old")
    out.chmod(0o644)
    done = run("--out", str(out), "--floor", "2/F")
    assert done.exit_code == 0, done.output
    assert "11 beds on 1 floors" in done.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().startswith("<!doctype html>")


def test_as_json_it_is_what_was_read(run):
    done = run("--json", "--floor", "10/F")
    (floor,) = json.loads(done.output)["floors"]
    assert len(floor["lines"]) == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--floor", "9/F"), "floors here"),
        (("--out", "/no/such/folder/sheet.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.output


def test_records_that_are_not_there_are_not_made(tmp_path):
    config = tmp_path / "home.toml"
    path = tmp_path / "gone" / "records.sqlite"
    config.write_text(f'[alerts]\ndatabase = "sqlite:///{path}"\n')
    done = CliRunner().invoke(app, ["sheet", "--config", str(config)])
    assert done.exit_code == 1
    assert "there are no records at" in done.output
    assert not path.exists()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
def test_a_browser_prints_each_floor_on_a_page_of_its_own(records, clock, tmp_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text))
        page.set_content(render_html(sheet_of(records, clock), "Sunshine"))
        pdf = page.pdf(prefer_css_page_size=True)
        browser.close()
    assert faults == []
    pages = re.findall(rb"/Type\s*/Page\b", pdf)
    assert len(pages) >= 3
    boxes = {
        tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", pdf)
    }
    ((_, _, width, height),) = boxes
    assert (round(width), round(height)) == (842, 595), "A4 across"
