"""A provisioned home as processes: nothing secret in what they write, show or log."""

from __future__ import annotations

import asyncio
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from contract.clock import SystemClock
from messaging.mosquitto import Mosquitto, free_port
from wardlight.provision.enrolment import accept
from wardlight.provision.home import Options, ProvisionedHome

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secrets_in(folder: Path) -> list[bytes]:
    """Each line of each private key below `folder`."""
    found: list[bytes] = []
    for path in folder.rglob("*.pem"):
        _, begin, rest = path.read_bytes().partition(b"-----BEGIN PRIVATE KEY-----\n")
        if begin:
            found += [line for line in rest.splitlines() if line and not line.startswith(b"-")]
    return found


def test_what_services_write_is_theirs_alone_and_logs_hold_no_secret(
    make_home, eventually, monkeypatch, tmp_path
) -> None:
    home = make_home()
    home.contact["mei"] = "json://user:hush@127.0.0.1:1/token-hush"
    provisioned = ProvisionedHome(tmp_path / "provisioned", SystemClock(), lambda: b"")
    ports = free_port(), free_port()
    provisioned.create(Options("demo", ("127.0.0.1",), *ports, broker_user="root"), None)
    services = provisioned.services_folder
    machine = tmp_path / "machine"
    made = provisioned.add_device("gateway-a", "gateway")
    accept(made, machine, tmp_path / "gateway-a", datetime.now(UTC))
    home.broker_lines = [
        f'url = "mqtts://127.0.0.1:{ports[1]}"',
        f'ca_file = "{services}/ca.pem"',
        f'certificate_file = "{services}/{{service}}.pem"',
    ]
    home.mosquitto = Mosquitto(
        tmp_path / "mosquitto",
        SystemClock(),
        port=ports[0],
        configuration=provisioned.configuration,
    )
    os.umask(0o022)

    async def main() -> None:
        await home.mosquitto.start()
        running = [home.start("alerts", typed=True)]
        monkeypatch.setenv("WARDLIGHT_BROKER__URL", f"mqtts://127.0.0.1:{ports[0]}")
        monkeypatch.setenv("WARDLIGHT_BROKER__CERTIFICATE_FILE", str(machine / "identity.pem"))
        running.append(home.start("gateway", typed=True))
        await eventually(
            lambda: running[1].lines("config_applied"), "the gateway's configuration, over TLS"
        )
        shown = b"".join(Path(f"/proc/{each.process.pid}/cmdline").read_bytes() for each in running)
        for each in running:
            status, _ = await each.end()
            assert status == 0
        logs = b"".join(each.log.read_bytes() for each in running)
        keys = secrets_in(tmp_path)
        assert len(keys) > 10
        for secret in (*keys, b"hush", b"PRIVATE KEY", made.key.encode()):
            assert secret not in shown
            assert secret not in logs

    asyncio.run(main())
    written = [
        path
        for folder in (home.folder / "records", home.folder / "gateway-a")
        for path in folder.rglob("*")
        if path.is_file()
    ]
    assert {path.suffix for path in written} >= {".sqlite"}
    for path in written:
        assert not path.stat().st_mode & OTHERS, path
