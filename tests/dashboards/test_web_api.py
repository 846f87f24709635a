"""The JSON API, held to the schema that it publishes."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx
import msgspec

from alerts import ResolutionOutcome
from contract.clock import now_us
from contract.events import EventKind
from contract.messages import IncidentState
from contract.telemetry import TELEMETRY_SCHEMA, SummaryPoint, TelemetryBatch
from contract.units import US_PER_S
from dashboards.web import create_app, serve
from dashboards.web.api import API_EXAMPLES
from ingest import SqliteStore, StoreReader


class CheckedClient:
    """Calls the API, and holds every answer to the published schema."""

    def __init__(self, client: httpx.AsyncClient, document: dict, checker: type) -> None:
        self.client = client
        self._document = document
        self._checker = checker(document)
        self.seen: set[tuple[str, int]] = set()

    async def call(self, method: str, path: str, template: str | None = None, **options):
        answer = await self.client.request(method, f"/api/v1{path}", **options)
        operation = self._document["paths"][f"/api/v1{template or path}"][method.lower()]
        published = operation["responses"][str(answer.status_code)]
        [(media_type, content)] = published["content"].items()
        assert answer.headers["content-type"].split(";")[0] == media_type
        self._checker.check(answer.json(), content["schema"])
        self.seen.add((template or path, answer.status_code))
        return answer


@asynccontextmanager
async def checked(home, checker, web=None):
    """The API of a running home, checked."""
    async with httpx.AsyncClient(base_url=(web or home.web).url) as client:
        yield CheckedClient(client, (await client.get("/api/v1/openapi.json")).json(), checker)


ACT = "/incidents/{incident_id}/%s"


def test_every_answer_fits_the_published_schema(web_home, schema_checker):
    async def scene(home):
        incident = await home.fall()
        async with checked(home, schema_checker) as api:
            board = (await api.call("GET", "/board")).json()
            assert board["incidents"][0]["id"] == incident
            assert board["incidents"][0]["resident_name"] == "Chan Tai Man"
            staff = (await api.call("GET", "/staff")).json()
            assert {person["id"] for person in staff} == {"mei", "ka-yan"}
            health = (await api.call("GET", "/health")).json()
            assert health["revision"] == home.desk.revision()

            one = f"/incidents/{incident}"
            await api.call("GET", one, "/incidents/{incident_id}")
            early = {"staff_id": "mei", "outcome": "drill"}
            await api.call("POST", f"{one}/resolve", ACT % "resolve", json=early)
            who = {"staff_id": "mei"}
            await api.call("POST", f"{one}/acknowledge", ACT % "acknowledge", json=who)
            second = await api.call(
                "POST", f"{one}/acknowledge", ACT % "acknowledge", json={"staff_id": "ka-yan"}
            )
            assert second.json()["acknowledged_by"] == "Wong Mei"
            await api.call("POST", f"{one}/arrive", ACT % "arrive", json=who)
            note = {"staff_id": "mei", "outcome": "assisted", "note": "Helped up."}
            done = await api.call("POST", f"{one}/resolve", ACT % "resolve", json=note)
            assert done.json()["note"] == "Helped up."

            await api.call("GET", "/incidents/none", "/incidents/{incident_id}")
            for name in ("acknowledge", "arrive"):
                path = f"/incidents/none/{name}"
                answer = await api.call("POST", path, ACT % name, json=who)
                assert answer.json()["what_to_do"]
            stranger = {"staff_id": "nobody"}
            await api.call("POST", f"{one}/acknowledge", ACT % "acknowledge", json=stranger)
            foreign = {"Origin": "https://evil.example"}
            await api.call("POST", f"{one}/arrive", ACT % "arrive", json=who, headers=foreign)
        assert {status for _, status in api.seen} >= {200, 403, 404, 409}
        assert home.desk.incident(incident).state is IncidentState.RESOLVED

    web_home(scene)


BAD_BODIES = (
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b"{}",
    b'{"staff_id": 7}',
    b'{"staff_id": ""}',
    b'{"staff_id": "mei", "outcome": "magic"}',
    b'{"staff_id": "mei", "outcome": "drill", "extra": 1}',
    b'{"staff_id": "mei", "outcome": "drill", "note": "' + b"x" * 501 + b'"}',
)


def test_a_bad_body_is_refused_with_a_reason_and_changes_nothing(web_home, schema_checker):
    async def scene(home):
        incident = await home.fall()
        home.desk.arrive(incident, "mei")
        async with checked(home, schema_checker) as api:
            for body in BAD_BODIES:
                answer = await api.call(
                    "POST", f"/incidents/{incident}/resolve", ACT % "resolve", content=body
                )
                assert answer.status_code == 422, body
                assert answer.json()["error"]
            answer = await api.call(
                "POST", f"/incidents/{incident}/resolve", ACT % "resolve", content=b"x" * 20_000
            )
            assert answer.status_code == 413

            async def endless():
                yield b'{"staff_id": "mei"}'

            answer = await api.call(
                "POST", f"/incidents/{incident}/resolve", ACT % "resolve", content=endless()
            )
            assert answer.status_code == 411
        assert home.desk.incident(incident).state is IncidentState.ARRIVED

    web_home(scene)


def test_unreadable_records_are_an_answer_of_503(web_home, schema_checker):
    async def scene(home):
        async with checked(home, schema_checker) as api:
            home.alerts.cancel()
            with home.database.engine.connect() as connection:
                connection.exec_driver_sql("ALTER TABLE incidents RENAME TO gone")
                connection.commit()
            for path in ("/board", "/health"):
                answer = await api.call("GET", path)
                assert answer.status_code == 503
                assert "by round" in answer.json()["what_to_do"]
            page = await api.client.get("/")
            assert page.status_code == 503
            assert "Check the residents by round" in page.text
            assert page.headers["content-security-policy"]

    web_home(scene)


def test_the_published_document_describes_and_shows(web_home, schema_checker):
    async def scene(home):
        async with httpx.AsyncClient(base_url=home.web.url) as client:
            document = (await client.get("/api/v1/openapi.json")).json()
        for path, operations in document["paths"].items():
            for operation in operations.values():
                assert operation["summary"], path
                assert operation["description"], path
                assert operation["tags"], path
                assert all(answer["description"] for answer in operation["responses"].values())
        shown = document["components"]["schemas"]
        outcomes = shown["ResolutionOutcome"]["enum"]
        assert sorted(outcomes) == sorted(each.value for each in ResolutionOutcome)
        assert "Microseconds" in shown["IncidentView"]["properties"]["opened_at_us"]["description"]
        checker = schema_checker(document)
        for example in API_EXAMPLES:
            name = type(example).__name__
            assert msgspec.to_builtins(example) in shown[name]["examples"]
            for one in shown[name]["examples"]:
                checker.check(one, shown[name], name)
            assert msgspec.convert(shown[name]["examples"][0], type(example)) is not None

    web_home(scene)


def telemetry(home, seconds: int) -> TelemetryBatch:
    """The last `seconds` of one wearable."""
    now_second_us = now_us(home.clock) // US_PER_S * US_PER_S
    return TelemetryBatch(
        schema=TELEMETRY_SCHEMA,
        home="sunshine",
        gateway="gateway-a",
        session="s1",
        sequence=1,
        boot="b1",
        clock="synced",
        sent_at_us=now_us(home.clock),
        age_ms=0,
        points=[
            SummaryPoint(
                at_us=now_second_us - (seconds - index) * US_PER_S,
                device="wearable-1",
                resident="resident-1",
                max_g=1.0 + index / 100,
                worn=True,
            )
            for index in range(seconds)
        ],
    )


RESIDENT = "/residents/{resident_id}/%s"


def test_what_the_store_holds_of_a_resident(web_home, schema_checker, tmp_path):
    async def scene(home):
        store = SqliteStore(tmp_path / "store.sqlite")
        reader = StoreReader(tmp_path / "store.sqlite")
        web = await serve(create_app(home.desk, home.clock, reader=reader))
        event = home.publish(EventKind.FALL_DETECTED, fall_id="fall-1", detail="Impact of 3.1 g.")
        try:
            async with checked(home, schema_checker, web) as api:
                one = "/residents/resident-1"
                missing = await api.call("GET", f"{one}/events", RESIDENT % "events")
                assert missing.status_code == 503
                assert "Alerts do not need them" in missing.json()["what_to_do"]

                await store.write([event], [telemetry(home, 30)], now_us(home.clock))
                [told] = (await api.call("GET", f"{one}/events", RESIDENT % "events")).json()
                assert told["id"] == event.id
                assert told["detail"] == "Impact of 3.1 g."
                latest = (await api.call("GET", f"{one}/latest", RESIDENT % "latest")).json()
                assert latest["point"]["max_g"] == 1.29
                series = await api.call(
                    "GET", f"{one}/series?metric=max_g&minutes=5", RESIDENT % "series"
                )
                assert len(series.json()["values"]) == 30
                other = "/residents/resident-2/latest"
                assert (await api.call("GET", other, RESIDENT % "latest")).json() is None

                stranger = await api.call("GET", "/residents/none/events", RESIDENT % "events")
                assert stranger.status_code == 404
                for query in ("metric=mood", "metric=max_g&minutes=0", ""):
                    bad = await api.call("GET", f"{one}/series?{query}", RESIDENT % "series")
                    assert bad.status_code == 422
                    assert bad.json()["what_to_do"]
        finally:
            await web.stop()
            reader.close()
            await store.close()

    web_home(scene)
