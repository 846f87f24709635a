"""The doctor in a provisioned home: where the services run, and on a gateway."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract import topics
from contract.clock import VirtualClock
from wardlight.doctor import Context, Entry, Level, Report, examine
from wardlight.settings import Settings, load_settings

# paho 2.2 leaves the socket of a failed handshake to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def found(report: Report, title: str) -> Entry:
    (entry,) = [each for each in report.entries if f"{each.group} / {each.check}" == title]
    return entry


def of_services(secured, folder: Path) -> Settings:
    services = secured.home.services_folder
    path = folder / "home.toml"
    path.write_text(
        f'[home]\nid = "demo"\n[broker]\nurl = "mqtts://127.0.0.1:{secured.options.services_port}"\n'
        f'ca_file = "{services}/ca.pem"\ncertificate_file = "{services}/{{service}}.pem"\n'
    )
    return load_settings(path)


async def look(secured, settings: Settings, *only: str, path: Path | None = None) -> Report:
    return await examine(Context(settings, secured.clock, path=path), only=only)


def test_where_the_services_run_all_is_in_order(secured, tmp_path) -> None:
    settings = of_services(secured, tmp_path)

    async def scenario() -> None:
        report = await look(secured, settings, "broker", "certificates")
        assert {each.level for each in report.entries} == {Level.OK}, report.entries
        own = found(report, "certificates / own")
        assert own.figures["ingest_certificate_days"] == pytest.approx(730, abs=0.1)

    secured.run(scenario)


def test_on_a_gateway_it_does_not_end_the_gateways_own_session(secured) -> None:
    credentials = secured.gateway("gateway-a")
    settings = load_settings(secured.folder / "gateway-a" / "gateway.toml")

    async def scenario() -> None:
        async with secured.ear(secured.bus(credentials)) as gateway:
            report = await look(secured, settings, "broker", "certificates")
            assert {each.level for each in report.entries} == {Level.OK}, report.entries
            assert "takes this gateway's certificate" in found(report, "broker / connection").found
            await gateway.bus.publish(topics.build("demo", "gateway-a", topics.STATUS), b"")
            assert gateway.connects == 1

    secured.run(scenario)


def test_on_a_gateway_that_was_revoked_it_says_so(secured) -> None:
    secured.gateway("gateway-a")
    secured.home.revoke("gateway-a")
    settings = load_settings(secured.folder / "gateway-a" / "gateway.toml")

    async def scenario() -> None:
        entry = found(await look(secured, settings, "broker"), "broker / connection")
        assert entry.level is Level.FAULT
        assert "revoked" in entry.found

    secured.run(scenario)


@pytest.mark.parametrize(
    ("age_days", "level", "said"),
    [(0, Level.OK, "3 certificates"), (705, Level.WARNING, "ends in"), (740, Level.FAULT, "ended")],
)
def test_certificates_near_their_end_are_told(secured, tmp_path, age_days, level, said) -> None:
    made_at = datetime.now(UTC) - timedelta(days=age_days)
    secured.at(VirtualClock(made_at)).rotate("alerts")
    settings = of_services(secured, tmp_path)
    report = asyncio.run(look(secured, settings, "certificates"))
    entry = found(report, "certificates / own")
    assert entry.level is level
    assert said in entry.found
    assert level is Level.OK or "rotate alerts" in entry.advice


def test_a_key_that_others_can_read_is_told(secured, tmp_path) -> None:
    (secured.home.services_folder / "ingest.pem").chmod(0o640)
    report = asyncio.run(look(secured, of_services(secured, tmp_path), "certificates"))
    entry = found(report, "certificates / own")
    assert entry.level is Level.WARNING
    assert "chmod 600" in entry.advice


def test_settings_that_everybody_can_read_and_that_hold_names_are_told(secured, tmp_path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[[staff]]\nid = "mei"\nname = "Mei"\ncontact = "ntfy://hush"\n')
    for mode, level in ((0o644, Level.WARNING), (0o640, Level.OK)):
        path.chmod(mode)
        report = asyncio.run(look(secured, load_settings(path), "configuration", path=path))
        entry = found(report, "configuration / secrets")
        assert entry.level is level
        assert "hush" not in entry.found
