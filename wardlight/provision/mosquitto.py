"""mosquitto's configuration: two listeners, certificates on both, and limits on everybody.

Works with mosquitto 2.0.11, which Debian 12 and Raspberry Pi OS have.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contract.wire import MAX_PAYLOAD_BYTES
from messaging.mosquitto import MAX_IN_FLIGHT, MAX_QUEUED_MESSAGES
from wardlight.provision.registry import Registry

ACCESS_LIST: Final = "access.txt"
CONFIGURATION: Final = "mosquitto.conf"
PID_FILE: Final = "mosquitto.pid"
SERVER: Final = "server.pem"
GATEWAYS: Final = "gateways"
SERVICES: Final = "services"
"""Names of the two authorities, and of their files."""

LARGEST_PACKET_BYTES: Final = MAX_PAYLOAD_BYTES + 64 * 1024
"""The longest payload that our clients send, with room for the longest topic. mosquitto ends the
connection over anything longer (over more than `message_size_limit`, too: it is not used)."""

MAX_QUEUED_BYTES: Final = 256 * 1024 * 1024
"""For each client that reads too slowly. The number of messages alone would allow 26 GB, and a
broker that the kernel kills is heard by nobody; what is dropped comes again from an outbox."""

MAX_GATEWAYS: Final = 256
"""Connections on the gateways' listener, strangers in the middle of a handshake included. A home
has a dozen gateways, each of them one connection."""

MAX_SERVICES: Final = 128
"""The same for services: a handful, the doctor's several and an engineer's."""

LONGEST_KEEPALIVE_S: Final = 60
"""Ours say 10 s. Whoever says none would hold his place for ever after his power is gone."""


def configuration(registry: Registry, folder: Path) -> str:
    """``mosquitto.conf`` for a broker whose files are in `folder`."""
    return "\n".join(("# Written by `wardlight provision`.", *_lines(registry, folder))) + "\n"


def _lines(registry: Registry, folder: Path) -> Iterator[str]:
    if registry.broker_user is not None:
        yield f"user {registry.broker_user}"
    yield f"pid_file {folder / PID_FILE}"
    yield "allow_anonymous false"
    yield f"acl_file {folder / ACCESS_LIST}"
    yield "# Durability is the gateways' outboxes: nothing here has to survive a restart."
    yield "persistence false"
    yield "persistent_client_expiration 1h"
    yield f"max_queued_messages {MAX_QUEUED_MESSAGES}"
    yield f"max_queued_bytes {MAX_QUEUED_BYTES}"
    yield f"max_inflight_messages {MAX_IN_FLIGHT}"
    yield f"max_packet_size {LARGEST_PACKET_BYTES}"
    yield f"max_keepalive {LONGEST_KEEPALIVE_S}"
    yield "set_tcp_nodelay true"
    yield "log_dest stderr"
    yield from (f"log_type {each}" for each in ("error", "warning", "notice"))
    yield ""
    yield "# Gateways: a certificate is one connection, and its name is the client's id, so that"
    yield "# nobody throws another off by calling himself so."
    yield f"listener {registry.port}"
    yield "use_username_as_clientid true"
    yield f"max_connections {MAX_GATEWAYS}"
    yield from _certificates(folder, GATEWAYS)
    yield ""
    yield "# Services, whose certificates are of an authority that no gateway has."
    yield f"listener {registry.services_port} {registry.services_bind}"
    yield f"max_connections {MAX_SERVICES}"
    yield from _certificates(folder, SERVICES)


def _certificates(folder: Path, clients: str) -> Iterator[str]:
    yield f"cafile {folder / clients}.pem"
    yield f"crlfile {folder / clients}.crl"
    yield f"certfile {folder / SERVER}"
    yield f"keyfile {folder / SERVER}"
    yield "require_certificate true"
    yield "use_identity_as_username true"
    yield "tls_version tlsv1.2"
