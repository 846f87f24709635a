"""A whole home that runs, looked over; ten times faster than the wall, on a real mosquitto."""

from __future__ import annotations

import msgspec

from contract import topics, wire
from contract.clock import now_us
from contract.messages import MESSAGE_SCHEMA, Role, Status
from wardlight.doctor import Level, told
from wardlight.settings import GatewayEntry

HOUR_US = 3_600_000_000


def test_a_home_that_runs_has_no_fault(live_home, found, until) -> None:
    async def scenario(live) -> None:
        await until(live.has_data, "the first batch")
        async with live.ear(f"{topics.ROOT}/#") as said:
            report = await live.look()
        faults = [entry for entry in report.entries if entry.level is Level.FAULT]
        assert not faults, told(report)
        for title in (
            "broker / connection",
            "broker / round trip",
            "broker / retained messages",
            "broker / dropped messages",
            "gateways / beds",
            "gateways / gateway-a",
            "gateways / gateway-b",
            "gateways / others",
            "services / alerts",
            "services / ingest",
            "people / on duty",
            "people / wearables",
            "records / database",
            "records / tables",
            "store / file",
            "store / damage",
            "store / newest data",
            "board / answer",
            "clock / the others'",
        ):
            assert found(report, title).level is Level.OK, found(report, title)
        assert found(report, "broker / round trip").figures["round_trip_ms"] > 0
        assert found(report, "gateways / beds").figures == {"beds": 6.0, "beds_without_cover": 0.0}

        mine = [message for message in said if "/doctor/" in message.topic]
        assert {message.topic for message in mine} == {"wardlight/v1/demo/doctor/probe"}
        text = msgspec.json.encode(report).decode() + told(report)
        names = [each.name for each in (*live.settings.residents, *live.settings.staff)]
        assert not [name for name in names if name in text]

        async with live.ear(f"{topics.ROOT}/#") as left:
            await until(lambda: len(left) > 0, "what is retained")
            assert not [message for message in left if "/doctor/" in message.topic]

    live_home(scenario)


def test_gateways_and_services_that_stop_are_missed_with_their_beds(
    live_home, found, until
) -> None:
    def vanished(name: str, at_us: int) -> bytes:
        return wire.encode(
            Status(
                schema=MESSAGE_SCHEMA,
                role=Role.GATEWAY,
                name=name,
                session="gone",
                sequence=9,
                online=True,
                at_us=at_us,
            )
        )

    async def scenario(live) -> None:
        stopping = ("gateway-a", "gateway-b", "ingest")
        async with live.ear(topics.build("demo", topics.ANY, topics.STATUS)) as said:
            await until(
                lambda: {topics.parse(each.topic).sender for each in said} >= set(stopping),
                "a status of each",
            )
        for name in stopping:
            await live.home.stop(name)
        live.settings = live.settings.model_copy(
            update={
                "gateways": (
                    *live.settings.gateways,
                    GatewayEntry(name="gateway-c", zone="room-213"),
                    GatewayEntry(name="gateway-d", zone="room-211"),
                )
            }
        )
        for name in ("gateway-c", "gateway-x"):
            payload = vanished(name, now_us(live.clock) - HOUR_US)
            await live.retain(topics.build("demo", name, topics.STATUS), payload)
        report = await live.look("gateways", "services")

        stopped = found(report, "gateways / gateway-a")
        assert stopped.level is Level.FAULT
        assert stopped.found.startswith("stopped ")
        assert "2/F 212-A, 2/F 212-B" in stopped.advice
        silent = found(report, "gateways / gateway-c")
        assert silent.level is Level.FAULT
        assert "60 min ago" in silent.found
        assert "2/F 213-A" in silent.advice
        never = found(report, "gateways / gateway-d")
        assert never.level is Level.FAULT
        assert "never heard" in never.found

        beds = found(report, "gateways / beds")
        assert beds.level is Level.FAULT
        assert beds.figures["beds_without_cover"] == 6
        assert "2/F 211-A" in beds.found
        strangers = found(report, "gateways / others")
        assert strangers.level is Level.WARNING
        assert "gateway-x" in strangers.found
        assert found(report, "services / ingest").level is Level.FAULT
        assert found(report, "services / alerts").level is Level.OK

    live_home(scenario)
