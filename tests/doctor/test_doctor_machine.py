"""The machine, the people and the board."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from contract.clock import VirtualClock
from wardlight.doctor import Context, Level
from wardlight.doctor.machine import clock as clock_check
from wardlight.settings import GatewayEntry, StaffSettings


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch) -> Path:
    """The only programs there are. No machine that tests run on has a loudspeaker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_no_player_is_said(looking, found, programs) -> None:
    entry = found(looking.now(looking.settings(), "sound"), "sound / loudspeaker")
    assert entry.level is Level.WARNING
    assert "paplay or aplay" in entry.found


CARDS = """echo '**** List of PLAYBACK Hardware Devices ****'
echo 'card 0: Headphones [bcm2835 Headphones], device 0: bcm2835 Headphones []'"""


@pytest.mark.parametrize(
    ("player", "lister", "text", "level", "said"),
    [
        ("aplay", "aplay", CARDS, Level.OK, "bcm2835"),
        ("aplay", "aplay", "echo 'no soundcards found...' >&2; exit 1", Level.WARNING, "no sound"),
        ("paplay", "pactl", r"printf '0\talsa_output.usb\tx\n'", Level.OK, "alsa_output.usb"),
        ("paplay", "pactl", r"printf '0\tauto_null\tx\n'", Level.WARNING, "no device"),
        ("paplay", "pactl", "echo Connection refused; exit 1", Level.WARNING, "refused"),
        ("paplay", "other", "", Level.WARNING, "pactl is not installed"),
    ],
)
def test_a_player_needs_a_device(
    *, looking, found, programs, player: str, lister: str, text: str, level: Level, said: str
) -> None:
    program(programs, player, "")
    program(programs, lister, text)
    entry = found(looking.now(looking.settings(), "sound"), "sound / loudspeaker")
    assert entry.level is level, entry
    assert said in entry.found


def test_a_clock_that_nobody_sets_is_said(looking) -> None:
    for synced, level in ((True, Level.OK), (False, Level.WARNING)):
        clock = VirtualClock(synced=synced)
        finding = clock.run(clock_check(Context(looking.settings(), clock, machine=clock)))
        assert finding.level is level


def staff(*contacts: str | None) -> tuple[StaffSettings, ...]:
    return tuple(
        StaffSettings(id=f"person-{number}", name=f"Name {number}", contact=contact)
        for number, contact in enumerate(contacts)
    )


@pytest.mark.parametrize(
    ("contacts", "level", "said"),
    [
        ((), Level.FAULT, "nobody is entered"),
        ((None, None), Level.WARNING, "nobody of 2 people"),
        (("json://127.0.0.1:1/secret", None), Level.WARNING, "without a contact: person-1"),
        (("json://127.0.0.1:1/secret", "nofty://x"), Level.FAULT, "no service understands: person"),
        (("json://127.0.0.1:1/secret",), Level.OK, "1 person, each with a contact"),
    ],
)
def test_people_need_a_contact_that_works(looking, found, contacts, level, said: str) -> None:
    settings = looking.settings().model_copy(update={"staff": staff(*contacts)})
    entry = found(looking.now(settings, "people"), "people / contacts")
    assert entry.level is level
    assert said in entry.found
    assert "secret" not in entry.found + entry.advice
    assert "Name" not in entry.found + entry.advice


def test_residents_without_a_wearable_are_named_by_bed(looking, found) -> None:
    settings = looking.settings()
    first, *others = settings.residents
    bare = first.model_copy(update={"device": None, "address": None, "identity": None})
    entry = found(
        looking.now(settings.model_copy(update={"residents": (bare, *others)}), "people"),
        "people / wearables",
    )
    assert entry.level is Level.WARNING
    assert entry.found == "1 of 6 residents without a wearable: 2/F 211-A"
    nobody = looking.now(settings.model_copy(update={"residents": ()}), "people")
    assert found(nobody, "people / wearables").level is Level.FAULT


def test_a_board_that_is_not_there(looking, found) -> None:
    settings = looking.settings(web={"port": 1})
    entry = found(looking.now(settings, "board"), "board / answer")
    assert entry.level is Level.FAULT
    assert "refused" in entry.found
    assert (
        found(looking.now(looking.settings(web={"port": 0}), "board"), "board / answer").level
        is Level.WARNING
    )


class Other(http.server.BaseHTTPRequestHandler):
    """Somebody else's server: answers with the status that its first path asks for."""

    status = 404
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "level", "said"),
    [
        (404, b"", Level.FAULT, "is no board"),
        (200, b"<html>", Level.FAULT, "is no board"),
        (200, b"[1]", Level.FAULT, "is no board"),
        (503, b"", Level.FAULT, "cannot read the records"),
        (200, b'{"status":"degraded","not_heard":["gateway-b"]}', Level.WARNING, "gateway-b"),
    ],
)
def test_what_answers_may_be_no_board(
    *, looking, found, monkeypatch, status: int, body: bytes, level: Level, said: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    handler = type("Handler", (Other,), {"status": status, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            settings = looking.settings(web={"port": server.server_address[1], "host": "0.0.0.0"})
            entry = found(looking.now(settings, "board"), "board / answer")
        finally:
            server.shutdown()
            thread.join()
    assert entry.level is level
    assert said in entry.found


def test_settings_that_are_seldom_meant(looking, found, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WARDLIGHT_BROKER__URL", "mqtt://secret-host")
    secret = tmp_path / "password"
    secret.write_text("hush")
    secret.chmod(0o644)
    settings = looking.settings(broker={"password_file": secret})
    report = looking.now(settings, "configuration")
    assert "WARDLIGHT_BROKER__URL" in found(report, "configuration / settings").found
    assert "secret-host" not in found(report, "configuration / settings").found
    password = found(report, "configuration / password")
    assert password.level is Level.WARNING
    assert "chmod o-r" in password.advice
    assert "hush" not in password.found
    assert found(report, "configuration / simulation").level is Level.WARNING

    gone = looking.settings(broker={"password_file": tmp_path / "gone"})
    report = looking.now(gone, "configuration", "broker")
    assert found(report, "configuration / password").level is Level.FAULT
    assert found(report, "broker / connection").level is Level.FAULT

    fast = settings.model_copy(update={"clock": settings.clock.model_copy(update={"rate": 10.0})})
    report = looking.now(fast, "configuration")
    assert found(report, "configuration / simulation").level is Level.FAULT


@pytest.mark.parametrize(
    ("home", "level", "said"),
    [
        (((), "wrist"), Level.WARNING, "told nowhere"),
        ((("bedroom",), "wrist"), Level.WARNING, "outside the zone of the bed"),
        ((("corridor",), "wrist"), Level.OK, "gateway-corridor"),
        (((), "pendant"), Level.OK, "nobody has a wearable at the wrist"),
    ],
    ids=["none", "only by the bed", "a corridor", "no wrist"],
)
def test_where_no_slide_is_ever_told_is_said(
    looking, found, home: tuple[tuple[str, ...], str], level: Level, said: str
) -> None:
    floors, placement = home
    settings = looking.settings()
    resident = settings.residents[0].model_copy(
        update={"zone": "bedroom", "placement": placement, "device": "wearable-1"}
    )
    gateways = tuple(
        GatewayEntry(name=f"gateway-{zone}", zone=zone, resting=zone not in floors)
        for zone in ("bedroom", "corridor")
    )
    settings = settings.model_copy(update={"residents": (resident,), "gateways": gateways})
    entry = found(looking.now(settings, "configuration"), "configuration / slides")
    assert entry.level is level
    assert said in entry.found
    assert ("resting = false" in entry.advice) is (level is Level.WARNING)
