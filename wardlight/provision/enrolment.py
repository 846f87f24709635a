"""What a gateway needs to belong to a home: one file, or one QR code, used once."""

from __future__ import annotations

import base64
import binascii
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from contract.ids import check_gateway, check_identifier
from contract.units import US_PER_S
from messaging.certificate import end_of
from wardlight.provision.files import make_folder, write_private
from wardlight.settings import Settings, SettingsError, load_settings

ENROLMENT_SCHEMA: Final = 1

LONGEST_BYTES: Final = 64 * 1024
"""One is 2 kB; what is longer is another file."""

CA_FILE: Final = "ca.pem"
IDENTITY_FILE: Final = "identity.pem"
"""Certificate and key in one file, so that a rotation exchanges both in one step."""
SETTINGS_FILE: Final = "gateway.toml"


class EnrolmentError(ValueError):
    """An enrolment that cannot be used; the message says why."""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolment. It holds a key: whoever has it, is this gateway."""

    schema: int
    home: str
    gateway: str
    broker: str
    """``mqtts://host:port``."""
    ca: str
    certificate: str
    key: str
    """DER in base64: the three fit into one QR code."""

    def encoded(self) -> bytes:
        """As file and QR code hold it."""
        return msgspec.json.encode(self)


def enrolment(
    *, home: str, gateway: str, broker: str, ca: bytes, certificate: bytes, key: bytes
) -> Enrolment:
    """An enrolment of DER."""
    return Enrolment(
        schema=ENROLMENT_SCHEMA,
        home=home,
        gateway=gateway,
        broker=broker,
        ca=base64.b64encode(ca).decode(),
        certificate=base64.b64encode(certificate).decode(),
        key=base64.b64encode(key).decode(),
    )


def read_enrolment(encoded: bytes) -> Enrolment:
    """Read and check what `Enrolment.encoded` made. No message repeats any of it.

    Raises
    ------
    EnrolmentError
        If it is none.
    """
    if len(encoded) > LONGEST_BYTES:
        raise EnrolmentError("this is no enrolment: it is too long")
    try:
        made = msgspec.json.decode(encoded, type=Enrolment)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EnrolmentError("this is no enrolment of `wardlight provision gateway`") from error
    if made.schema != ENROLMENT_SCHEMA:
        raise EnrolmentError(f"enrolment of schema {made.schema}: update Wardlight here first")
    try:
        check_identifier(made.home, "home")
        check_gateway(made.gateway)
        if not made.broker.startswith("mqtts://") or set(made.broker) & set("\"\\\n\r '"):
            raise ValueError("the broker's address")
        for each in (made.ca, made.certificate, made.key):
            base64.b64decode(each, validate=True)
        end_of(base64.b64decode(made.certificate))
    except (ValueError, binascii.Error) as error:
        raise EnrolmentError("this enrolment is damaged: make a new one") from error
    return made


def ends_at_us(made: Enrolment) -> int:
    """When its certificate ends, microseconds since 1970."""
    return round(end_of(base64.b64decode(made.certificate)).timestamp()) * US_PER_S


def accept(made: Enrolment, folder: Path, data: Path, now: datetime) -> Path:
    """Make this machine the gateway that `made` names.

    Parameters
    ----------
    folder
        For the certificates, and for the settings where there are none yet.
    data
        For the gateway's outbox, where settings are written.
    now
        For refusing what has ended.

    Returns
    -------
    Path
        The settings.

    Raises
    ------
    EnrolmentError
        If it cannot be used here.
    OSError
        If the files cannot be written.
    """
    ends = datetime.fromtimestamp(ends_at_us(made) / US_PER_S, UTC)
    if ends <= now:
        raise EnrolmentError(f"this enrolment has ended on {ends:%d %B %Y}: make a new one")
    settings = folder / SETTINGS_FILE
    if settings.exists():
        _check_settings(made, folder, settings)
    if not folder.exists():
        # One that is there is left as it is: the broker's files may lie below it, and mosquitto,
        # as a user of its own, must get through. What is written here is closed by itself.
        make_folder(folder)
    _write_checked(made, folder)
    if not settings.exists():
        write_private(settings, _settings_text(made, folder, data).encode())
    return settings


def _write_checked(made: Enrolment, folder: Path) -> None:
    """The certificates, which are tried before they take the place of those that work."""
    ca, identity = folder / f".new-{CA_FILE}", folder / f".new-{IDENTITY_FILE}"
    try:
        write_private(ca, ssl.DER_cert_to_PEM_cert(base64.b64decode(made.ca)).encode())
        certificate = ssl.DER_cert_to_PEM_cert(base64.b64decode(made.certificate))
        write_private(identity, (certificate + _key_pem(made.key)).encode())
        try:
            context = ssl.create_default_context(cafile=str(ca))
            context.load_cert_chain(identity)
        except (ssl.SSLError, OSError) as error:
            raise EnrolmentError(
                "this enrolment is damaged: its certificate and key do not belong together"
            ) from error
        ca.replace(folder / CA_FILE)
        identity.replace(folder / IDENTITY_FILE)
    finally:
        ca.unlink(missing_ok=True)
        identity.unlink(missing_ok=True)


def _key_pem(encoded: str) -> str:
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    return "\n".join(("-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""))


def _settings_text(made: Enrolment, folder: Path, data: Path) -> str:
    return "\n".join(
        (
            "# Written by `wardlight enrol`; see docs/home.example.toml for what else can be set.",
            *("[home]", f'id = "{made.home}"', ""),
            *("[broker]", *_broker_lines(made, folder), ""),
            *("[gateway]", f'name = "{made.gateway}"', f'folder = "{data}"', ""),
        )
    )


def _broker_lines(made: Enrolment, folder: Path) -> tuple[str, ...]:
    return (
        f'url = "{made.broker}"',
        f'ca_file = "{folder / CA_FILE}"',
        f'certificate_file = "{folder / IDENTITY_FILE}"',
    )


def _check_settings(made: Enrolment, folder: Path, path: Path) -> None:
    """Whether the settings that are there already take up what is enrolled."""
    try:
        settings: Settings = load_settings(path)
    except SettingsError as error:
        raise EnrolmentError(f"the settings that are here cannot be read: {error}") from error
    said = (settings.home.id, settings.gateway.name)
    if said != (made.home, made.gateway):
        raise EnrolmentError(
            f"{path} is of gateway {said[1]!r} in home {said[0]!r}, the enrolment of "
            f"{made.gateway!r} in {made.home!r}: move the file away first if that is meant"
        )
    broker = settings.broker
    wanted = (made.broker, folder / CA_FILE, folder / IDENTITY_FILE)
    if (broker.url, broker.ca_file, broker.certificate_file) != wanted:
        lines = "\n".join(_broker_lines(made, folder))
        raise EnrolmentError(f"{path} says something else; let its table [broker] say\n{lines}")
