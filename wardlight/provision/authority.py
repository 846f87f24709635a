"""A private certificate authority: its key, what it issues, and what it takes back.

A home has two, one for its gateways and one for its services, so that the broker's listener for
services takes no certificate that was ever inside a gateway, which can be stolen.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wardlight.provision.files import write_private

CURVE: Final = ec.SECP256R1
"""P-256: every TLS library of the last ten years has it, also that of a small gateway."""

AUTHORITY_DAYS: Final = 20 * 365
"""Longer than the hardware: who renews an authority visits every gateway."""

CERTIFICATE_DAYS: Final = 2 * 365
"""Long enough that renewing is rare, short enough that somebody still knows how. What is stolen
is revoked (`Authority.revocations`), not waited for."""

BACKDATED: Final = timedelta(days=1)
"""A gateway that was enrolled a minute ago may have a clock that is hours behind."""

_STEP: Final = timedelta(seconds=1)
"""The resolution of times in certificates (RFC 5280, 4.1.2.5). Of two lists OpenSSL believes the
one with the later time, and keeps the older one if they are equal."""


class WrongPassphraseError(ValueError):
    """The key of the authority cannot be read with what was given."""


class Issued(NamedTuple):
    """A certificate and its key."""

    certificate: bytes
    """DER."""
    key: bytes
    """PKCS #8 in DER, unencrypted: a service starts without a person."""
    serial: str
    """Hexadecimal, as the list of what is revoked has it."""
    ends_at: datetime

    def pem(self) -> bytes:
        """Certificate and key, one after the other."""
        certificate = x509.load_der_x509_certificate(self.certificate)
        key = serialization.load_der_private_key(self.key, None)
        return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


class Authority:
    """One authority; `create` makes it, `load` finds it again."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def create(cls, folder: Path, name: str, now: datetime, passphrase: bytes | None) -> Authority:
        """A new one, whose key goes to ``{folder}/{name}.key``, encrypted if there is a
        passphrase.
        """
        key = ec.generate_private_key(CURVE())
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key.public_key(), now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        secrecy: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            secrecy = serialization.BestAvailableEncryption(passphrase)
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secrecy
        )
        write_private(folder / f"{name}.key", encoded)
        made = cls(key, certificate)
        write_private(folder / f"{name}.pem", made.pem())
        return made

    @classmethod
    def load(cls, folder: Path, name: str, passphrase: Callable[[], bytes]) -> Authority:
        """The one that `create` made; `passphrase` is asked only if its key is encrypted.

        Raises
        ------
        OSError
            If its files cannot be read.
        WrongPassphraseError
            If the key cannot be decrypted.
        """
        encoded = (folder / f"{name}.key").read_bytes()
        secret = passphrase() if b"ENCRYPTED" in encoded else None
        try:
            key = serialization.load_pem_private_key(encoded, secret)
        except (ValueError, TypeError) as error:
            raise WrongPassphraseError("the passphrase is not that of this home") from error
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
        return cls(key, certificate)

    @property
    def der(self) -> bytes:
        """Its own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.DER)

    def pem(self) -> bytes:
        """Its own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue_client(self, name: str, now: datetime, days: int = CERTIFICATE_DAYS) -> Issued:
        """A certificate with which `name` may connect; the broker knows it by that name."""
        return self._issue(name, now, days, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def issue_server(
        self, hosts: Sequence[str], now: datetime, days: int = CERTIFICATE_DAYS
    ) -> Issued:
        """A certificate for a broker that is reached under these names and addresses."""
        return self._issue("broker", now, days, ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    def revocations(self, serials: Sequence[str], after: datetime | None) -> bytes:
        """The list of what is no longer valid, PEM.

        It is never from the future and never grows old: OpenSSL refuses every certificate on
        account of such a list, and a home would lose all its gateways at once. So its time is no
        clock's, which may be wrong, but counts seconds from the beginning of the authority.

        Parameters
        ----------
        serials
            All that was ever revoked.
        after
            Time of the list that this one replaces.
        """
        at = self._certificate.not_valid_before_utc if after is None else after + _STEP
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(at)
            .next_update(self._certificate.not_valid_after_utc)
        )
        for serial in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(int(serial, 16))
                .revocation_date(at)
                .build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _issue(
        self,
        name: str,
        now: datetime,
        days: int,
        purpose: x509.ObjectIdentifier,
        hosts: Sequence[str],
    ) -> Issued:
        key = ec.generate_private_key(CURVE())
        builder = (
            _builder(_name(name), self._certificate.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if hosts:
            names = x509.SubjectAlternativeName([_host(each) for each in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(
            certificate.public_bytes(serialization.Encoding.DER),
            key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            f"{certificate.serial_number:x}",
            certificate.not_valid_after_utc,
        )


def revocations_made_at(pem: bytes) -> datetime:
    """Time of a list that `Authority.revocations` made."""
    return x509.load_pem_x509_crl(pem).last_update_utc.astimezone(UTC)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
