"""Which certificate each service shows the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from contract.clock import Clock
from messaging import Credentials
from wardlight.settings import Settings, SettingsError

SERVICE_PLACE: Final = "{service}"
"""In the names of certificates: the service that reads the settings, each with its own."""

GATEWAY: Final = "gateway"
ENGINEER: Final = "engineer"
"""Whose certificate those tools show that listen to a running home, or play into it."""


def credentials_of(settings: Settings, service: str, clock: Clock) -> Credentials | None:
    """What `service` shows and trusts; None where the settings name nothing.

    Raises
    ------
    SettingsError
        If the certificate is a gateway's and `service` is not it: the broker gives each gateway
        one connection, and a second one would throw the first off.
    """
    broker = settings.broker
    if broker.ca_file is None and broker.certificate_file is None:
        return None
    if is_the_gateways(settings) and service != GATEWAY:
        raise SettingsError(
            f"[broker]: certificate_file: {broker.certificate_file} is the gateway's alone, which "
            f"has one connection; for {service} name a file with {SERVICE_PLACE}"
        )

    certificate, key = broker.certificate_file, broker.key_file
    return Credentials(
        ca_file=broker.ca_file,
        certificate_file=None if certificate is None else own_file(certificate, service),
        key_file=None if key is None else own_file(key, service),
        clock_is_right=clock.synced,
    )


def own_file(path: Path, service: str) -> Path:
    """The file of `service` that `path` stands for."""
    return Path(str(path).replace(SERVICE_PLACE, service))


def is_the_gateways(settings: Settings) -> bool:
    """Whether this machine has one certificate, its gateway's."""
    path = settings.broker.certificate_file
    return path is not None and SERVICE_PLACE not in str(path)
