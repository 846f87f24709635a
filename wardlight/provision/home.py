"""A provisioned home: its folder, and what can be done to it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from contract.clock import Clock, now_us
from contract.ids import check_gateway, check_identifier
from contract.units import US_PER_S
from wardlight.provision import mosquitto
from wardlight.provision.access import EVERY_HOME_HAS, PROVISION, SERVICES, access_list, identity
from wardlight.provision.authority import Authority, Issued, revocations_made_at
from wardlight.provision.enrolment import Enrolment, enrolment
from wardlight.provision.files import (
    PASSAGE,
    READABLE,
    give_to,
    make_folder,
    user_of,
    write_private,
)
from wardlight.provision.registry import (
    REGISTRY_SCHEMA,
    Certificate,
    Member,
    Registry,
    RegistryError,
    Role,
    changing,
    read_registry,
    write_registry,
)

REGISTRY_FILE: Final = "home.json"
AUTHORITY: Final = "authority"
BROKER: Final = "broker"
SERVICES_FOLDER: Final = "services"
CA_FILE: Final = "ca.pem"

DEVICES: Final[tuple[Role, ...]] = ("gateway", "receiver", "sounder")
"""What hangs on walls, and has its certificates from the authority that is for that."""
_HOUSE: Final[tuple[Role, ...]] = ("service", "broker")

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,253}[A-Za-z0-9])?|::1?")
"""Names and addresses, of IPv4 and IPv6: enough to keep quotes and blanks out of files."""

Passphrase = Callable[[], bytes]
"""Asked only if the home's keys are encrypted."""


class Options(NamedTuple):
    """How a home is to be."""

    home: str
    hosts: tuple[str, ...]
    """Names and addresses of the broker; the first is what gateways are told."""
    port: int = 8883
    services_port: int = 8884
    services_bind: str = "127.0.0.1"
    broker_user: str | None = None
    services_user: str | None = None


class ProvisionedHome:
    """A home's authorities, certificates and register, in one folder."""

    def __init__(self, folder: Path, clock: Clock, passphrase: Passphrase) -> None:
        self.folder = folder.absolute()
        self._clock = clock
        self._passphrase = passphrase

    @property
    def registry(self) -> Registry:
        """As it stands in the folder."""
        return read_registry(self.folder / REGISTRY_FILE)

    @property
    def broker_folder(self) -> Path:
        """What mosquitto reads."""
        return self.folder / BROKER

    @property
    def configuration(self) -> Path:
        """What mosquitto is started with."""
        return self.folder / mosquitto.CONFIGURATION

    @property
    def services_folder(self) -> Path:
        """What the services read."""
        return self.folder / SERVICES_FOLDER

    def create(self, options: Options, passphrase: bytes | None) -> Registry:
        """Make the authorities, the broker's files and those of the services.

        Raises
        ------
        RegistryError
            If there is a home already: its gateways would be strangers to a new one.
        ValueError
            If an option cannot be.
        """
        _check(options)
        if (self.folder / REGISTRY_FILE).exists():
            raise RegistryError(f"{self.folder} holds a home already; use another folder")
        # mosquitto and the services go through it, as users of their own.
        make_folder(self.folder, PASSAGE)
        with changing(self.folder):
            registry = Registry(schema=REGISTRY_SCHEMA, **options._asdict())
            authorities = make_folder(self.folder / AUTHORITY)
            for name in (mosquitto.GATEWAYS, mosquitto.SERVICES):
                # OpenSSL finds the list of an authority by its name: two must not share one.
                Authority.create(authorities, name, self._now(), passphrase)
            self._passphrase = lambda: passphrase or b""
            give_to(make_folder(self.broker_folder), registry.broker_user)
            give_to(make_folder(self.services_folder), registry.services_user)
            registry = self._issue_server(registry)
            for name in EVERY_HOME_HAS:
                registry = self._issue_service(registry, name)
            self._write(registry)
        return registry

    def add_device(self, name: str, role: Role) -> Enrolment:
        """A certificate for a new gateway or sounder, or for one whose machine was replaced.

        Raises
        ------
        RegistryError
            If it has a valid one: that is a rotation.
        ValueError
            If it may not be called so.
        """
        check_gateway(name)
        if name in SERVICES or name == BROKER:
            raise ValueError(f"{role} {name!r}: this name belongs to a service")
        with changing(self.folder):
            registry = self.registry
            if registry.has(name):
                known = registry.member(name)
                if known.role != role:
                    raise RegistryError(f"{name!r} is a {known.role} already")
                if not known.revoked:
                    raise RegistryError(
                        f"{name!r} has a valid certificate: `wardlight provision rotate {name}` "
                        "makes a new one; revoke it first if the machine was stolen"
                    )
            registry, made = self._issue_device(registry, name, role)
            self._write(registry)
        return made

    def add_service(self, name: str) -> Path:
        """A certificate for a service that not every home has.

        Raises
        ------
        RegistryError
            If there is no such service, or it has a valid certificate.
        """
        if name not in SERVICES:
            raise RegistryError(f"no service is called {name!r}; there are {', '.join(SERVICES)}")
        with changing(self.folder):
            registry = self.registry
            if registry.has(name) and not registry.member(name).revoked:
                raise RegistryError(f"{name!r} has a valid certificate: rotate it")
            self._write(self._issue_service(registry, name))
        return self._service_file(name)

    def rotate(self, name: str) -> Enrolment | None:
        """A new certificate beside those that `name` has, which stay valid until they end or
        `revoke` takes the older ones back.

        Returns
        -------
        Enrolment or None
            What to take to a gateway or sounder; None of a service or the broker, whose file is
            in its place already.
        """
        with changing(self.folder):
            registry = self.registry
            member = registry.member(name)
            if member.revoked:
                raise RegistryError(f"{name!r} is revoked; give it a new certificate")
            made: Enrolment | None = None
            if member.role == "broker":
                registry = self._issue_server(registry)
            elif member.role == "service":
                registry = self._issue_service(registry, name)
            else:
                registry, made = self._issue_device(registry, name, member.role)
            self._write(registry)
        return made

    def revoke(self, name: str, *, older_only: bool = False) -> Member:
        """Take back every certificate of `name`, or all but its newest.

        The broker has to be told (`wardlight.provision.cutoff`).

        Raises
        ------
        RegistryError
            If it has none.
        WrongPassphraseError
            If the list of what is revoked could not be signed: the access list says already that
            it may nothing, and the next call signs it.
        """
        with changing(self.folder):
            registry = self.registry
            if registry.member(name).role == "broker" and not older_only:
                raise RegistryError("a broker without a certificate is no broker: rotate it")
            registry = registry.with_revoked(name, now_us(self._clock), older_only=older_only)
            self._write(registry)
            return registry.member(name)

    # --- what is written -------------------------------------------------------------------

    def _write(self, registry: Registry) -> None:
        """The register, and after it everything that follows from it: what the broker lets in is
        always known here. The access list needs no authority and comes first: nobody looks for a
        passphrase while a thief is inside.
        """
        registry = msgspec.structs.replace(registry, generation=registry.generation + 1)
        write_registry(self.folder / REGISTRY_FILE, registry)
        folder, owner = self.broker_folder, registry.broker_user
        write_private(folder / mosquitto.ACCESS_LIST, access_list(registry).encode(), owner=owner)
        services = self._authority(mosquitto.SERVICES)
        gateways = self._authority(mosquitto.GATEWAYS)
        for name, authority, roles in (
            (mosquitto.GATEWAYS, gateways, DEVICES),
            (mosquitto.SERVICES, services, _HOUSE),
        ):
            write_private(folder / f"{name}.pem", authority.pem(), owner=owner)
            listed = folder / f"{name}.crl"
            before = revocations_made_at(listed.read_bytes()) if listed.exists() else None
            revoked = authority.revocations(registry.revoked_serials(*roles), before)
            write_private(listed, revoked, owner=owner)
        text = mosquitto.configuration(registry, folder)
        # mosquitto may not write it: it says as which user the next start is.
        write_private(self.configuration, text.encode(), mode=READABLE)
        ca, owner = self.services_folder / CA_FILE, registry.services_user
        write_private(ca, services.pem(), owner=owner)

    def _issue_device(
        self, registry: Registry, name: str, role: Role
    ) -> tuple[Registry, Enrolment]:
        issued = self._authority(mosquitto.GATEWAYS).issue_client(name, self._now())
        registry = registry.with_certificate(name, role, self._entry(issued))
        made = enrolment(
            home=registry.home,
            gateway=name,
            broker=f"mqtts://{_in_url(registry.hosts[0])}:{registry.port}",
            ca=self._authority(mosquitto.SERVICES).der,
            certificate=issued.certificate,
            key=issued.key,
        )
        return registry, made

    def _issue_service(self, registry: Registry, name: str) -> Registry:
        authority = self._authority(mosquitto.SERVICES)
        issued = authority.issue_client(identity(name, "service"), self._now())
        # The tool that talks to the broker is run by whoever may open the authority.
        owner = None if name == PROVISION else registry.services_user
        write_private(self._service_file(name), issued.pem(), owner=owner)
        return registry.with_certificate(name, "service", self._entry(issued))

    def _issue_server(self, registry: Registry) -> Registry:
        bind = () if registry.services_bind in EVERY_ADDRESS else (registry.services_bind,)
        hosts = tuple(dict.fromkeys((*registry.hosts, *LOCAL_HOSTS, *bind)))
        issued = self._authority(mosquitto.SERVICES).issue_server(hosts, self._now())
        path = self.broker_folder / mosquitto.SERVER
        write_private(path, issued.pem(), owner=registry.broker_user)
        return registry.with_certificate(BROKER, "broker", self._entry(issued))

    def _service_file(self, name: str) -> Path:
        return self.services_folder / f"{name}.pem"

    def _entry(self, issued: Issued) -> Certificate:
        return Certificate(
            serial=issued.serial,
            issued_at_us=now_us(self._clock),
            ends_at_us=round(issued.ends_at.timestamp()) * US_PER_S,
        )

    def _authority(self, name: str) -> Authority:
        return Authority.load(self.folder / AUTHORITY, name, self._passphrase)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(now_us(self._clock) / US_PER_S, UTC)


EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""How services on the broker's own machine reach it."""


def found_hosts() -> tuple[str, ...]:
    """Addresses and names under which other machines may find this one, the surest first."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the system only chooses the address that it would send from.
            probe.connect((_ELSEWHERE, 9))
            found.append(str(probe.getsockname()[0]))
        except OSError:
            pass  # no network yet: names are left
    name = socket.gethostname()
    if _HOST.fullmatch(name):
        found += [name, f"{name}.local"] if "." not in name else [name]
    return tuple(dict.fromkeys(each for each in found if each not in LOCAL_HOSTS))


_ELSEWHERE: Final = "192.0.2.1"
"""Kept for documentation (RFC 5737): nobody is there."""


def _check(options: Options) -> None:
    check_identifier(options.home, "home")
    if not options.hosts:
        raise ValueError("no address of this machine was found: name it with --host")
    for host in (*options.hosts, options.services_bind):
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is no host name or address")
    if options.port == options.services_port:
        raise ValueError("gateways and services need a port each")
    for user in (options.broker_user, options.services_user):
        if user is not None:
            user_of(user)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def members_by_end(registry: Registry) -> Sequence[Member]:
    """Who has a certificate, whose ends first; the revoked come last."""
    return sorted(registry.members, key=lambda each: (each.revoked, each.newest.ends_at_us))
