"""Who was given a certificate of a home, until when, and what was taken back."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from wardlight.provision.files import PRIVATE, write_private

REGISTRY_SCHEMA: Final = 1

_NOTHING_HERE: Final = "{}: no home was provisioned here: wardlight provision home"

Role = Literal["gateway", "receiver", "sounder", "service", "broker"]


class RegistryError(ValueError):
    """A folder that is no provisioned home, or whose register cannot be read."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate; its key is not kept here."""

    serial: str
    """Hexadecimal."""
    issued_at_us: int
    ends_at_us: int
    revoked_at_us: int | None = None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway or service, or the broker, with every certificate that it ever had."""

    name: str
    role: Role
    certificates: tuple[Certificate, ...]
    """The oldest first."""

    @property
    def newest(self) -> Certificate:
        """The one that it should show now."""
        return self.certificates[-1]

    @property
    def revoked(self) -> bool:
        """Whether nothing that it has is valid any more."""
        return all(each.revoked_at_us is not None for each in self.certificates)


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """All of a home."""

    schema: int
    home: str
    hosts: tuple[str, ...]
    """Names and addresses of the broker; the first is what gateways are told."""
    port: int
    services_port: int
    services_bind: str
    """Address on which the broker listens for services."""
    broker_user: str | None
    """User that mosquitto runs as, to whom its files belong."""
    services_user: str | None
    """User that the services run as."""
    generation: int = 0
    """Grows with each change of the access list."""
    members: tuple[Member, ...] = ()

    def member(self, name: str) -> Member:
        """The one called so.

        Raises
        ------
        RegistryError
            If there is none; says who there is.
        """
        for each in self.members:
            if each.name == name:
                return each
        known = ", ".join(sorted(each.name for each in self.members))
        raise RegistryError(f"{name!r} was never given a certificate; known: {known}")

    def has(self, name: str) -> bool:
        """Whether one is called so."""
        return any(each.name == name for each in self.members)

    def of(self, *roles: Role) -> tuple[Member, ...]:
        """Members of these roles that are not revoked, by name."""
        wanted = (each for each in self.members if each.role in roles and not each.revoked)
        return tuple(sorted(wanted, key=lambda each: each.name))

    def revoked_serials(self, *roles: Role) -> tuple[str, ...]:
        """Every certificate of these roles that was revoked."""
        return tuple(
            certificate.serial
            for member in self.members
            if member.role in roles
            for certificate in member.certificates
            if certificate.revoked_at_us is not None
        )

    def with_certificate(self, name: str, role: Role, certificate: Certificate) -> Registry:
        """The same, where `name` has one certificate more."""
        before: Sequence[Certificate] = self.member(name).certificates if self.has(name) else ()
        member = Member(name=name, role=role, certificates=(*before, certificate))
        others = tuple(each for each in self.members if each.name != name)
        return msgspec.structs.replace(self, members=(*others, member))

    def with_revoked(self, name: str, now_us: int, *, older_only: bool) -> Registry:
        """The same, where `name` has nothing valid, or only its newest certificate."""
        member = self.member(name)
        last = len(member.certificates) - 1

        def revoked(place: int, each: Certificate) -> Certificate:
            if each.revoked_at_us is not None or (older_only and place == last):
                return each
            return msgspec.structs.replace(each, revoked_at_us=now_us)

        certificates = tuple(revoked(*each) for each in enumerate(member.certificates))
        changed = msgspec.structs.replace(member, certificates=certificates)
        members = tuple(changed if each.name == name else each for each in self.members)
        return msgspec.structs.replace(self, members=members)


def read_registry(path: Path) -> Registry:
    """The register of a home.

    Raises
    ------
    RegistryError
        If there is none, or it cannot be read.
    """
    try:
        registry = msgspec.json.decode(path.read_bytes(), type=Registry)
    except FileNotFoundError as error:
        raise RegistryError(_NOTHING_HERE.format(path.parent)) from error
    except OSError as error:
        raise RegistryError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise RegistryError(f"{path}: is damaged: {error}") from error
    if registry.schema != REGISTRY_SCHEMA:
        raise RegistryError(f"{path}: schema {registry.schema} is of another version of Wardlight")
    return registry


def write_registry(path: Path, registry: Registry) -> None:
    """Replace the register in one step."""
    write_private(path, msgspec.json.format(msgspec.json.encode(registry)) + b"\n")


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Nobody else changes the home meanwhile.

    Raises
    ------
    RegistryError
        If somebody does.
    """
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE)
    except FileNotFoundError as error:
        raise RegistryError(_NOTHING_HERE.format(folder)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RegistryError(f"{folder}: somebody else is changing it now") from error
        yield
    finally:
        os.close(descriptor)
