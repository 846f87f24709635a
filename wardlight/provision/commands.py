"""``wardlight provision …`` and ``wardlight enrol``: what a person types."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import msgspec
import typer

from contract.clock import SystemClock, now_us
from contract.units import US_PER_S

if TYPE_CHECKING:
    from wardlight.provision.cutoff import Told
    from wardlight.provision.enrolment import Enrolment
    from wardlight.provision.home import Options, ProvisionedHome
    from wardlight.provision.registry import Member, Role

app = typer.Typer(
    help="Certificates of a home: who may talk to its broker. See docs/security.md.",
    no_args_is_help=True,
)

USAGE_ERROR: Final = 2
NOT_TOLD: Final = 1

ENROLMENTS: Final = "enrolment"

FolderOption = Annotated[
    Path, typer.Option("--folder", help="Where the home's authority is kept; back it up.")
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File with the passphrase of the authority's keys; else it is asked for.",
    ),
]
DEFAULT_FOLDER: Final = Path("/etc/wardlight/home")
ENROLLED_FOLDER: Final = Path("/etc/wardlight")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``list --json``: `Member` with what follows from the time."""

    name: str
    role: str
    ends_at: str
    """ISO 8601, UTC: of the newest certificate."""
    days_left: float
    revoked: bool
    valid_certificates: int
    """Two while a rotation is under way."""


@app.command()
def home(
    home_id: Annotated[str, typer.Argument(metavar="HOME", help="Identifier, as in [home] id.")],
    folder: FolderOption = DEFAULT_FOLDER,
    host: Annotated[
        list[str] | None,
        typer.Option(help="Name or address of the broker, the one that gateways use first."),
    ] = None,
    port: Annotated[int, typer.Option(help="The broker's port for gateways.")] = 8883,
    services_port: Annotated[int, typer.Option(help="Its port for services.")] = 8884,
    services_bind: Annotated[
        str, typer.Option(help="Address on which it listens for services.")
    ] = "127.0.0.1",
    broker_user: Annotated[
        str | None, typer.Option(help="User that mosquitto runs as; default its own, under root.")
    ] = None,
    services_user: Annotated[
        str | None, typer.Option(help="User that the services run as; default the present one.")
    ] = None,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Ask for a passphrase for the authority's keys.")
    ] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make a home's authority, its broker's configuration and its services' certificates."""
    from wardlight.provision.home import Options, found_hosts
    from wardlight.provision.registry import RegistryError

    given = _home(folder, passphrase_file)
    passphrase = None
    if passphrase_file is not None:
        passphrase = _read_passphrase(passphrase_file)
    elif encrypt:
        passphrase = str(
            typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
        ).encode()
    options = Options(
        home_id,
        tuple(host or found_hosts()),
        port,
        services_port,
        services_bind,
        broker_user or _mosquittos_user(),
        services_user,
    )
    try:
        given.create(options, passphrase)
    except (RegistryError, ValueError, LookupError, OSError) as error:
        _refuse(str(error))
    typer.echo(_created(given, options))


def _created(given: ProvisionedHome, options: Options) -> str:
    services = given.services_folder
    return "\n".join(
        (
            f"Home {options.home!r} is provisioned in {given.folder}. Gateways reach its broker at",
            f"{options.hosts[0]}:{options.port}. Start the broker with",
            "",
            f"  mosquitto -c {given.configuration}",
            "",
            "and let the services' settings say",
            "",
            "  [broker]",
            f'  url = "mqtts://{_shown_host(options)}:{options.services_port}"',
            f'  ca_file = "{services / "ca.pem"}"',
            f'  certificate_file = "{services}/{{service}}.pem"',
            "",
            "Then, for each gateway: wardlight provision gateway NAME",
        )
    )


def _shown_host(options: Options) -> str:
    from wardlight.provision.home import EVERY_ADDRESS

    bind = options.services_bind
    shown = options.hosts[0] if bind in EVERY_ADDRESS else bind
    return f"[{shown}]" if ":" in shown else shown


@app.command()
def gateway(
    name: Annotated[str, typer.Argument(help="The gateway's name, as in [[gateways]].")],
    folder: FolderOption = DEFAULT_FOLDER,
    out: Annotated[
        Path | None, typer.Option(help="Where to put the enrolment file; default in the folder.")
    ] = None,
    qr: Annotated[
        Path | None, typer.Option("--qr", help="Write it as a QR code, too: a PNG file.")
    ] = None,
    show_qr: Annotated[
        bool, typer.Option("--show-qr", help="Show it as a QR code on this terminal.")
    ] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make the enrolment of a new gateway: `wardlight enrol FILE` on it, once."""
    _add_device(folder, name, "gateway", passphrase_file, _Output(out, qr, show_qr))


@app.command()
def sounder(
    name: Annotated[str, typer.Argument(help="A name for the siren, unlike any gateway's.")],
    folder: FolderOption = DEFAULT_FOLDER,
    out: Annotated[Path | None, typer.Option(help="Where to put the file.")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make the certificate of a siren that listens to the gateways' siren topics."""
    _add_device(folder, name, "sounder", passphrase_file, _Output(out, None, False))


@app.command()
def receiver(
    name: Annotated[str, typer.Argument(help="The receiver's name, as in its topics.")],
    folder: FolderOption = DEFAULT_FOLDER,
    out: Annotated[Path | None, typer.Option(help="Where to put the file.")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make the certificate of a receiver, which publishes the adverts of a room without a gateway:
    docs/receivers.md.
    """
    _add_device(folder, name, "receiver", passphrase_file, _Output(out, None, False))


@app.command()
def service(
    name: Annotated[str, typer.Argument(help="engineer: for record and replay --config.")],
    folder: FolderOption = DEFAULT_FOLDER,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make a certificate for a service that not every home has."""
    from wardlight.provision.authority import WrongPassphraseError
    from wardlight.provision.registry import RegistryError

    given = _home(folder, passphrase_file)
    try:
        path = given.add_service(name)
    except (RegistryError, WrongPassphraseError, OSError) as error:
        _refuse(str(error))
    typer.echo(f"{path}")
    _tell(given, ())


@app.command()
def rotate(
    name: Annotated[str, typer.Argument(help="A gateway, receiver, sounder, service, or broker.")],
    folder: FolderOption = DEFAULT_FOLDER,
    out: Annotated[Path | None, typer.Option(help="Where to put the enrolment file.")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make a new certificate; the old one stays valid until it ends, or is revoked.

    A gateway takes the new one up with `wardlight enrol FILE`, without a restart; then
    `wardlight provision revoke NAME --older` ends what it had before.
    """
    from wardlight.provision.authority import WrongPassphraseError
    from wardlight.provision.registry import RegistryError

    given = _home(folder, passphrase_file)
    try:
        made = given.rotate(name)
    except (RegistryError, WrongPassphraseError, OSError) as error:
        _refuse(str(error))
    if made is not None:
        _hand_over(given, made, _Output(out, None, False))
    else:
        typer.echo(f"The new certificate of {name} is in its place.")
    _tell(given, ())


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="A gateway, receiver, sounder or service.")],
    folder: FolderOption = DEFAULT_FOLDER,
    older: Annotated[
        bool, typer.Option("--older", help="Only what its newest certificate has replaced.")
    ] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Cut off a stolen gateway, now: nothing that it has is good for anything any more.

    Exit status 0: the broker refuses it and has ended its connection; 1: the files are written,
    and the broker does not follow them yet: what to do is said.
    """
    from wardlight.provision.authority import WrongPassphraseError
    from wardlight.provision.home import DEVICES
    from wardlight.provision.registry import RegistryError

    given = _home(folder, passphrase_file)
    unsigned: str | None = None
    try:
        member = given.revoke(name, older_only=older)
    except WrongPassphraseError as error:
        unsigned, member = str(error), given.registry.member(name)
    except (RegistryError, OSError) as error:
        _refuse(str(error))
    _forget_enrolment(given, name)
    is_device = member.role in DEVICES
    told = _tell(given, (name,) if is_device else ())
    if unsigned is not None:
        typer.echo(
            f"{unsigned}. {name} may nothing any more, but connect: run this again with the "
            "passphrase, and it may not do that either.",
            err=True,
        )
    if told is None or unsigned is not None:
        raise typer.Exit(NOT_TOLD)
    what = f"what {name} had before" if older else name
    typer.echo(f"The broker refuses {what} since {told.took_s:.2f} s after it was told.")
    if not is_device:
        typer.echo(
            "A connection that stands may do nothing now; it ends with the broker's restart."
        )


@app.command("list")
def list_(
    folder: FolderOption = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list.")] = False,
) -> None:
    """Who has a certificate, until when, and what was revoked."""
    from wardlight.provision.home import members_by_end
    from wardlight.provision.registry import RegistryError

    try:
        members = members_by_end(_home(folder, None).registry)
    except RegistryError as error:
        _refuse(str(error))
    lines = [_line(each, now_us(SystemClock())) for each in members]
    if as_json:
        typer.echo(msgspec.json.encode(lines).decode())
        return
    for line in lines:
        state = "revoked" if line.revoked else f"{line.days_left:.0f} days left"
        more = f", {line.valid_certificates} valid" if line.valid_certificates > 1 else ""
        typer.echo(f"{line.name:<20} {line.role:<8} {line.ends_at[:10]}  {state}{more}")


def _line(member: Member, at_us: int) -> Line:
    ends_us = member.newest.ends_at_us
    valid = [c for c in member.certificates if c.revoked_at_us is None and c.ends_at_us > at_us]
    return Line(
        name=member.name,
        role=member.role,
        ends_at=datetime.fromtimestamp(ends_us / US_PER_S, UTC).isoformat(),
        days_left=round((ends_us - at_us) / US_PER_S / 86_400, 1),
        revoked=member.revoked,
        valid_certificates=len(valid),
    )


def enrol(
    file: Annotated[
        str, typer.Argument(help="The enrolment file, or - for what a QR scanner types.")
    ],
    folder: Annotated[
        Path, typer.Option("--folder", help="Where the gateway's certificates are to be.")
    ] = ENROLLED_FOLDER,
    data: Annotated[
        Path, typer.Option(help="For the gateway's outbox, in the settings that are written.")
    ] = Path("/var/lib/wardlight/gateway"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not delete the file: it holds a key.")
    ] = False,
) -> None:
    """Make this machine a gateway of a home, or give it its next certificate."""
    from wardlight.provision.enrolment import LONGEST_BYTES, EnrolmentError, accept, read_enrolment

    path = None if file == "-" else Path(file)
    try:
        if path is None:
            encoded = sys.stdin.buffer.read(LONGEST_BYTES + 1)
        else:
            with path.open("rb") as opened:
                encoded = opened.read(LONGEST_BYTES + 1)
        made = read_enrolment(encoded.strip())
        now = datetime.fromtimestamp(now_us(SystemClock()) / US_PER_S, UTC)
        settings = accept(made, folder.absolute(), data.absolute(), now)
    except EnrolmentError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}")
    if path is not None and not keep:
        path.unlink()
    typer.echo(
        f"This machine is gateway {made.gateway} of home {made.home}. Start it with\n\n"
        f"  wardlight gateway --config {settings}\n\n"
        "One that runs takes the new certificate up at its next connection."
    )


class _Output(msgspec.Struct, frozen=True):
    file: Path | None
    qr: Path | None
    show_qr: bool


def _add_device(
    folder: Path, name: str, role: Role, passphrase_file: Path | None, output: _Output
) -> None:
    from wardlight.provision.authority import WrongPassphraseError
    from wardlight.provision.registry import RegistryError

    given = _home(folder, passphrase_file)
    try:
        made = given.add_device(name, role)
    except (RegistryError, WrongPassphraseError, ValueError, OSError) as error:
        _refuse(str(error))
    _hand_over(given, made, output)
    _tell(given, ())


def _hand_over(given: ProvisionedHome, made: Enrolment, output: _Output) -> None:
    from wardlight.provision.files import make_folder, write_private

    encoded = made.encoded()
    path = output.file
    if path is None:
        path = make_folder(given.folder / ENROLMENTS) / f"{made.gateway}.json"
    write_private(path, encoded + b"\n")
    typer.echo(f"{path}: take it to the machine, `wardlight enrol` there, and delete every copy.")
    if output.qr is not None or output.show_qr:
        from wardlight.provision.qr import qr_png, qr_text

        if output.qr is not None:
            write_private(output.qr, qr_png(encoded))
            typer.echo(f"{output.qr}: the same as a QR code; whoever photographs it has the key.")
        if output.show_qr:
            typer.echo(qr_text(encoded))


def _forget_enrolment(given: ProvisionedHome, name: str) -> None:
    """What was never taken to its machine is worth nothing now."""
    (given.folder / ENROLMENTS / f"{name}.json").unlink(missing_ok=True)


def _tell(given: ProvisionedHome, gone: tuple[str, ...]) -> Told | None:
    """Make the broker follow; None, and why on standard error, if it does not."""
    from wardlight.provision.cutoff import NotToldError, tell_broker

    try:
        return asyncio.run(tell_broker(given, gone, SystemClock()))
    except NotToldError as error:
        typer.echo(str(error), err=True)
        return None


def _home(folder: Path, passphrase_file: Path | None) -> ProvisionedHome:
    try:
        from wardlight.provision.home import ProvisionedHome
    except ModuleNotFoundError as error:
        _refuse(f"{error.name} is not installed: pip install 'wardlight[server]'")

    def passphrase() -> bytes:
        if passphrase_file is not None:
            return _read_passphrase(passphrase_file)
        if not sys.stdin.isatty():
            from wardlight.provision.authority import WrongPassphraseError

            raise WrongPassphraseError("the authority's keys are encrypted: use --passphrase-file")
        return str(typer.prompt("Passphrase", hide_input=True, err=True)).encode()

    return ProvisionedHome(folder, SystemClock(), passphrase)


def _read_passphrase(path: Path) -> bytes:
    try:
        found = path.read_bytes().strip()
    except OSError as error:
        _refuse(f"{path}: cannot be read: {error.strerror}")
    if not found:
        _refuse(f"{path}: is empty")
    return found


def _mosquittos_user() -> str | None:
    """Debian's mosquitto has a user of its own, to which it changes if it was started by root."""
    import os

    from wardlight.provision.files import user_of

    if os.geteuid() != 0:
        return None
    try:
        return user_of("mosquitto").pw_name
    except LookupError:
        return None


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(USAGE_ERROR)
