"""Acknowledge, arrive, resolve: by whom, once, and only from the board itself."""

from __future__ import annotations

import asyncio
import re

import httpx

from contract.messages import IncidentState


def test_from_alert_to_closed_with_a_name_each_step(web_home, section):
    async def scene(home):
        incident = await home.fall()
        async with home.client("mei") as browser:
            page = (await browser.post(f"/incidents/{incident}/acknowledge")).text
            assert section(page, "flash") == "You are on the way to 2/F 212-B."
            card = section(page, f"incident-{incident}")
            assert "Wong Mei is on the way" in card
            assert "Arrived" in card
            page = (await browser.post(f"/incidents/{incident}/arrive")).text
            card = section(page, f"incident-{incident}")
            assert "Wong Mei is with the resident" in card
            assert len(re.findall(r'<button name="outcome"', page)) == 6
            form = {"outcome": "true_fall_no_injury", "note": "Slid off the bed."}
            page = (await browser.post(f"/incidents/{incident}/resolve", data=form)).text
            assert section(page, "flash") == "2/F 212-B is closed."
            assert "Fall, not injured – Slid off the bed." in section(page, "recent")
        view = home.desk.incident(incident)
        assert view.resolved_by == "Wong Mei"
        assert view.note == "Slid off the bed."

    web_home(scene)


def test_who_has_no_name_yet_is_asked_and_the_tap_is_then_completed(web_home, section):
    async def scene(home):
        incident = await home.fall()
        async with home.client() as browser:
            asked = await browser.post(f"/incidents/{incident}/acknowledge")
            assert "Choose your name to continue: Acknowledge" in asked.text
            assert home.desk.incident(incident).state is IncidentState.OPEN
            hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
            assert hidden["incident"] == incident
            page = (await browser.post("/who", data={**hidden, "staff_id": "mei"})).text
            assert section(page, "flash") == "You are on the way to 2/F 212-B."
            assert "You are Wong Mei" in page
        assert home.desk.incident(incident).acknowledged_by == "Wong Mei"

    web_home(scene)


def test_a_note_typed_before_the_name_was_known_is_carried_in_the_body_and_escaped(web_home):
    async def scene(home):
        incident = await home.fall()
        home.desk.arrive(incident, "mei")
        form = {"outcome": "false_alarm", "note": '"><script>alert(2)</script>'}
        async with home.client() as browser:
            asked = await browser.post(f"/incidents/{incident}/resolve", data=form)
        assert "<script>alert(2)" not in asked.text
        assert "&lt;script&gt;alert(2)" in asked.text
        assert "script" not in str(asked.url)

    web_home(scene)


def test_two_carers_at_once_one_goes_and_the_other_is_told_who(web_home, section):
    async def scene(home):
        incident = await home.fall()
        async with home.client("mei") as hers, home.client("ka-yan") as his:
            answers = await asyncio.gather(
                hers.post(f"/incidents/{incident}/acknowledge"),
                his.post(f"/incidents/{incident}/acknowledge"),
            )
        told = sorted(section(answer.text, "flash") for answer in answers)
        first = home.desk.incident(incident).acknowledged_by
        assert told == sorted(
            ["You are on the way to 2/F 212-B.", f"{first} is already on the way to 2/F 212-B."]
        )

    web_home(scene)


def test_a_tap_repeated_is_one_tap(web_home):
    async def scene(home):
        incident = await home.fall()
        async with home.client("mei") as browser:
            await browser.post(f"/incidents/{incident}/acknowledge")
            at_us = home.desk.incident(incident).acknowledged_at_us
            again = await browser.post(f"/incidents/{incident}/acknowledge")
            assert again.status_code == 200
        assert home.desk.incident(incident).acknowledged_at_us == at_us

    web_home(scene)


def test_looking_changes_nothing(web_home):
    async def scene(home):
        incident = await home.fall()
        before = home.desk.revision()
        async with home.client("mei") as browser:
            for path in (
                "/",
                "/who",
                f"/?did=acknowledge&incident={incident}",
                f"/incidents/{incident}/acknowledge",
                f"/api/v1/incidents/{incident}/acknowledge",
            ):
                await browser.get(path)
                await browser.head(path)
        view = home.desk.incident(incident)
        assert view.state is IncidentState.OPEN
        assert before <= home.desk.revision() <= before + 2  # the escalation's own, at most

    web_home(scene)


FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {},
)


def test_a_form_on_another_site_is_refused(web_home):
    async def scene(home):
        incident = await home.fall()
        form, call = f"/incidents/{incident}/acknowledge", f"/api/v1/incidents/{incident}/arrive"
        who = {"staff_id": "mei"}
        cookies = {"wardlight_staff": "mei"}
        async with httpx.AsyncClient(base_url=home.web.url, cookies=cookies) as browser:
            for headers in FOREIGN:
                answer = await browser.post(form, headers=headers)
                assert answer.status_code == 403, headers
                assert "Open the board and use its buttons." in answer.text
                answer = await browser.post("/who", data=who, headers=headers)
                assert answer.status_code == 403, headers
                assert "set-cookie" not in answer.headers
                if headers:  # a program that is no browser says nothing, and may call
                    answer = await browser.post(call, json=who, headers=headers)
                    assert answer.status_code == 403, headers
        assert home.desk.incident(incident).state is IncidentState.OPEN

    web_home(scene)


def test_what_is_unknown_or_too_late_says_so_and_what_to_do(web_home, section):
    async def scene(home):
        incident = await home.fall()
        async with home.client("mei") as browser:
            unknown = await browser.post("/incidents/no-such/acknowledge")
            assert unknown.status_code == 404
            assert "Go back to the board" in section(unknown.text, "refusal")
            assert (await browser.post(f"/incidents/{incident}/explode")).status_code == 404
            early = await browser.post(
                f"/incidents/{incident}/resolve", data={"outcome": "false_alarm"}
            )
            assert early.status_code == 409
            home.desk.arrive(incident, "mei")
            wrong = await browser.post(f"/incidents/{incident}/resolve", data={"outcome": "magic"})
            assert wrong.status_code == 422
            nobody = await browser.post("/who", data={"staff_id": "nobody"})
            assert nobody.status_code == 404
            assert "Choose your name again." in section(nobody.text, "refusal")
            long = await browser.post(
                f"/incidents/{incident}/resolve", data={"outcome": "other", "note": "x" * 20_000}
            )
            assert long.status_code == 413
        async with home.client("gone-last-year") as browser:
            asked = await browser.post(f"/incidents/{incident}/acknowledge")
            assert "Choose your name to continue" in asked.text
        assert home.desk.incident(incident).state is IncidentState.ARRIVED

    web_home(scene)


def test_the_name_cookie_is_out_of_reach_for_scripts_and_other_sites(web_home):
    async def scene(home):
        async with home.client(None) as browser:
            answer = await browser.post("/who", data={"staff_id": "mei"}, follow_redirects=False)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "max-age=43200" in cookie

    web_home(scene)


def test_no_name_is_written_to_the_log(web_home, capfd):
    async def scene(home):
        incident = await home.fall()
        async with home.client("mei") as browser:
            await browser.post(f"/incidents/{incident}/acknowledge")
            await browser.post(f"/incidents/{incident}/resolve", data={"outcome": "x"})
            await browser.post("/incidents/Chan/acknowledge", headers={"Origin": "null"})
        home.database.engine.dispose()

    web_home(scene)
    written = "".join(capfd.readouterr())
    assert "acted" in written
    for name in ("Chan Tai Man", "Wong Mei", "O'Neil"):
        assert name not in written
