"""Telling a running mosquitto what has changed, and throwing out whom it concerns.

What mosquitto 2.0.11 does at SIGHUP was looked at: it reads the access list, the certificates and
the list of what is revoked anew, in one go, and looks at no connection that stands. A revoked
gateway keeps its connection then and may nothing on it. So it is also thrown out, by taking its
client id, which is its name (`wardlight.provision.mosquitto`); it does not come back, because a
new connection needs a valid certificate.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import aiomqtt

from contract.clock import Clock, within
from contract.protocols import NotConnectedError, PublishRefusedError
from contract.units import NS_PER_S
from messaging.connection import Address, Connection
from messaging.tls import CertificatesUnusableError, Credentials, explain
from wardlight.provision.access import PROVISION, generation_topic
from wardlight.provision.home import CA_FILE, EVERY_ADDRESS, LOCAL_HOSTS, ProvisionedHome
from wardlight.provision.mosquitto import PID_FILE
from wardlight.provision.registry import Registry

RELOAD_LIMIT_S: Final = 10.0
"""It takes milliseconds; a machine under load may take a thousand times as long."""

ASK_AGAIN_S: Final = 0.05

_PROGRAM: Final = "mosquitto"


class NotToldError(RuntimeError):
    """The files are written, and the broker does not follow them; says what to do."""


class Told(NamedTuple):
    """What became of it."""

    thrown_out: tuple[str, ...]
    took_s: float
    """From the signal until the last one was out, in the machine's seconds."""


async def tell_broker(home: ProvisionedHome, gone: Sequence[str], clock: Clock) -> Told:
    """Make the broker of this machine follow the home's files.

    Parameters
    ----------
    gone
        Gateways and sounders whose connections are to end now.
    clock
        The machine's.

    Raises
    ------
    NotToldError
        If it cannot be found, reached, or does not follow.
    """
    registry = home.registry
    began_ns = clock.monotonic_ns()
    pid = running_broker(home.broker_folder / PID_FILE)
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise NotToldError(
            f"mosquitto (process {pid}) may not be told: {error.strerror}; run this as root, or "
            f"as its user"
        ) from error
    try:
        await within(clock, RELOAD_LIMIT_S, _until_read(home, registry, clock))
        for name in gone:
            await within(clock, RELOAD_LIMIT_S, _throw_out(home, registry, name))
    except (aiomqtt.MqttError, NotConnectedError, CertificatesUnusableError) as error:
        why = explain(str(error)) or str(error)
        raise NotToldError(
            f"mosquitto was told to read its files, and cannot be asked whether it did: {why}. "
            "Restart it if you are not sure"
        ) from error
    except TimeoutError:
        raise NotToldError(
            f"mosquitto has not read its files within {RELOAD_LIMIT_S:.0f} s: restart it"
        ) from None
    return Told(tuple(gone), (clock.monotonic_ns() - began_ns) / NS_PER_S)


def running_broker(pid_file: Path) -> int:
    """Process id of the broker that was started with the home's configuration.

    Raises
    ------
    NotToldError
        If there is none.
    """
    try:
        pid = int(pid_file.read_text("ascii").strip())
        program = Path(f"/proc/{pid}/comm").read_text("ascii").strip()
    except (OSError, ValueError):
        program = ""
    if program != _PROGRAM:
        raise NotToldError(
            "no mosquitto runs here with this home's configuration: it reads the files when it "
            "is started; on another machine, copy the folder broker there and send it SIGHUP"
        )
    return pid


async def _until_read(home: ProvisionedHome, registry: Registry, clock: Clock) -> None:
    """Wait until the broker has read this very access list: a topic that no list before it had
    may be written then.
    """
    connection = _connection(home, registry, f"{PROVISION}-{secrets.token_hex(4)}")
    await connection.open()
    try:
        while True:
            try:
                await connection.send(generation_topic(registry), b"", retain=False)
            except PublishRefusedError:
                await clock.sleep(ASK_AGAIN_S)
            else:
                return
    finally:
        await connection.close(cleanly=True)


async def _throw_out(home: ProvisionedHome, registry: Registry, name: str) -> None:
    """End the connection of a client by connecting under its id (MQTT 5, 3.1.4)."""
    connection = _connection(home, registry, name)
    await connection.open()
    await connection.close(cleanly=True)


def _connection(home: ProvisionedHome, registry: Registry, client_id: str) -> Connection:
    folder = home.services_folder
    credentials = Credentials(
        ca_file=folder / CA_FILE, certificate_file=folder / f"{PROVISION}.pem"
    )
    bind = registry.services_bind
    host = LOCAL_HOSTS[0] if bind in EVERY_ADDRESS else bind
    address = Address(host, registry.services_port, client_id, None, None, credentials.context())
    return Connection(address, aiomqtt.ProtocolVersion.V5, None)
