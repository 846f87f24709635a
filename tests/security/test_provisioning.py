"""Provisioning without a broker: files, registers, passphrases, enrolments and the commands."""

from __future__ import annotations

import functools
import json
import os
import stat
import struct
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from contract.clock import SystemClock, VirtualClock
from messaging.certificate import CertificateUnreadableError, end_of, ends_at
from messaging.tls import CertificatesUnusableError, Credentials
from wardlight.cli import app
from wardlight.provision.authority import Authority, WrongPassphraseError
from wardlight.provision.enrolment import EnrolmentError, accept, read_enrolment
from wardlight.provision.home import Options, ProvisionedHome, found_hosts
from wardlight.provision.registry import RegistryError
from wardlight.settings import SettingsError, load_settings

OPTIONS = Options("demo", ("10.0.0.5", "broker.local"), broker_user="root")
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def none() -> bytes:
    return b""


@functools.cache
def one_authority() -> Authority:
    with tempfile.TemporaryDirectory() as folder:
        return Authority.create(Path(folder), "test", NOW, None)


@pytest.fixture
def home(tmp_path: Path) -> ProvisionedHome:
    made = ProvisionedHome(tmp_path / "home", VirtualClock(NOW), none)
    made.create(OPTIONS, None)
    return made


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_nobody_else_can_read_what_is_secret(home) -> None:
    os.umask(0o000)  # the most careless there is
    try:
        home.add_device("gateway-a", "gateway")
        home.rotate("alerts")
    finally:
        os.umask(0o022)
    for path in files_below(home.folder):
        others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        holds_secret = b"PRIVATE KEY" in path.read_bytes()
        assert not (holds_secret and others), path
        assert not others or path == home.configuration, path
    for folder in ("authority", "broker", "services"):
        assert stat.S_IMODE((home.folder / folder).stat().st_mode) == 0o700


def test_a_gateways_key_is_kept_nowhere_in_the_home(home) -> None:
    made = home.add_device("gateway-a", "gateway")
    kept = b"".join(path.read_bytes() for path in files_below(home.folder))
    assert made.key.encode() not in kept
    assert made.key[:60].encode() not in kept.replace(b"\n", b"")


def test_a_home_is_made_once(home) -> None:
    with pytest.raises(RegistryError, match="holds a home already"):
        home.create(OPTIONS, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"home": "Demo Home"}, "lower-case"),
        ({"hosts": ()}, "--host"),
        ({"hosts": ('a"b',)}, "no host name"),
        ({"hosts": ("two words",)}, "no host name"),
        ({"services_port": 8883}, "a port each"),
        ({"broker_user": "nobody-is-called-so"}, "no user"),
    ],
)
def test_a_home_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path, changes, said
) -> None:
    home = ProvisionedHome(tmp_path / "home", SystemClock(), none)
    with pytest.raises((ValueError, LookupError), match=said):
        home.create(OPTIONS._replace(**changes), None)
    assert not (tmp_path / "home").exists()


def test_keys_of_an_authority_may_be_encrypted(tmp_path) -> None:
    asked: list[int] = []

    def right() -> bytes:
        asked.append(1)
        return b"correct horse"

    home = ProvisionedHome(tmp_path / "home", SystemClock(), right)
    home.create(OPTIONS, b"correct horse")
    assert b"ENCRYPTED" in (tmp_path / "home/authority/gateways.key").read_bytes()
    again = ProvisionedHome(tmp_path / "home", SystemClock(), right)
    again.add_device("gateway-a", "gateway")
    assert asked
    wrong = ProvisionedHome(tmp_path / "home", SystemClock(), lambda: b"battery staple")
    with pytest.raises(WrongPassphraseError, match="not that of this home"):
        wrong.add_device("gateway-b", "gateway")
    assert not again.registry.has("gateway-b")


def test_a_forgotten_passphrase_does_not_keep_a_thief_inside(line, tmp_path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse")
    given = ("--passphrase-file", str(secret))
    line.provision("home", "demo", "--host", "10.0.0.5", *given)
    line.provision("gateway", "gateway-a", *given)

    def revoked() -> int:
        listed = x509.load_pem_x509_crl((line.folder / "broker/gateways.crl").read_bytes())
        return len(list(listed))

    said = line.provision("revoke", "gateway-a", status=1).stderr
    assert "may nothing any more" in said
    assert "gateway-a" not in (line.folder / "broker/access.txt").read_text()
    assert revoked() == 0
    line.provision("revoke", "gateway-a", *given, status=1)
    assert revoked() == 1


def test_a_gateway_is_added_once_rotated_and_revoked(home) -> None:
    home.add_device("gateway-a", "gateway")
    with pytest.raises(RegistryError, match="rotate"):
        home.add_device("gateway-a", "gateway")
    with pytest.raises(RegistryError, match="already"):
        home.add_device("gateway-a", "sounder")
    for name in ("alerts", "doctor", "engineer", "broker"):
        with pytest.raises(ValueError, match="belongs to a service"):
            home.add_device(name, "gateway")
    with pytest.raises(RegistryError, match="known: alerts"):
        home.rotate("gateway-x")
    home.rotate("gateway-a")
    first, second = home.registry.member("gateway-a").certificates
    home.revoke("gateway-a", older_only=True)
    assert home.registry.revoked_serials("gateway") == (first.serial,)
    assert "user gateway-a" in (home.broker_folder / "access.txt").read_text()
    home.revoke("gateway-a")
    assert set(home.registry.revoked_serials("gateway")) == {first.serial, second.serial}
    assert "gateway-a" not in (home.broker_folder / "access.txt").read_text()
    with pytest.raises(RegistryError, match="is revoked"):
        home.rotate("gateway-a")
    with pytest.raises(RegistryError, match="no broker"):
        home.revoke("broker")


def test_revocations_never_come_from_the_future_and_each_list_is_newer(tmp_path) -> None:
    """A list that OpenSSL finds too new or too old costs a home all its gateways at once."""
    clock = VirtualClock(NOW)
    home = ProvisionedHome(tmp_path / "home", clock, none)
    home.create(OPTIONS, None)

    def listed() -> x509.CertificateRevocationList:
        return x509.load_pem_x509_crl((home.broker_folder / "gateways.crl").read_bytes())

    before = listed()
    for hours in (0, 24 * 300, -24 * 600, 0):
        clock.jump_wall(hours * 3600)
        home.add_device(f"gateway-{hours + 20_000}-{before.last_update_utc.second}", "gateway")
        now = listed()
        assert before.last_update_utc < now.last_update_utc <= NOW
        assert now.next_update_utc is not None
        assert now.next_update_utc > NOW + timedelta(days=15 * 365)
        before = now


def test_an_enrolment_makes_a_gateway_of_a_machine(home, tmp_path) -> None:
    made = home.add_device("gateway-a", "gateway")
    machine = tmp_path / "machine"
    path = accept(read_enrolment(made.encoded()), machine, tmp_path / "data", NOW)
    settings = load_settings(path)
    assert settings.home.id == "demo"
    assert settings.gateway.name == "gateway-a"
    assert settings.broker.url == "mqtts://10.0.0.5:8883"
    Credentials(
        ca_file=settings.broker.ca_file, certificate_file=settings.broker.certificate_file
    ).context()
    for file in files_below(machine):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # The next one takes its place, and leaves what somebody has added to the settings.
    path.write_text(path.read_text() + "seed = 7\n")
    before = settings.broker.certificate_file.read_bytes()
    accept(home.rotate("gateway-a"), machine, tmp_path / "data", NOW)
    assert settings.broker.certificate_file.read_bytes() != before
    assert load_settings(path).gateway.seed == 7


def test_a_gateway_beside_the_broker_does_not_lock_it_out(tmp_path) -> None:
    """By default both keep their files in /etc/wardlight."""
    etc = tmp_path / "etc"
    etc.mkdir(mode=0o755)
    etc.chmod(0o755)
    below = ProvisionedHome(etc / "home", VirtualClock(NOW), none)
    below.create(Options("demo", ("10.0.0.5",)), None)
    accept(below.add_device("gateway-a", "gateway"), etc, tmp_path / "data", NOW)
    assert stat.S_IMODE(etc.stat().st_mode) == 0o755
    for name in ("ca.pem", "identity.pem", "gateway.toml"):
        assert stat.S_IMODE((etc / name).stat().st_mode) == 0o600
    fresh = tmp_path / "fresh"
    accept(below.rotate("gateway-a"), fresh, tmp_path / "data", NOW)
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700


def test_an_enrolment_that_cannot_be_is_refused_and_harms_nothing(home, tmp_path) -> None:
    made = home.add_device("gateway-a", "gateway")
    other = home.add_device("gateway-b", "gateway")
    machine = tmp_path / "machine"
    accept(made, machine, tmp_path / "data", NOW)
    before = {path: path.read_bytes() for path in files_below(machine)}
    import msgspec

    mixed = msgspec.structs.replace(made, key=other.key)
    late = NOW + timedelta(days=3_000)
    for wrong, now, said in (
        (other, NOW, "move the file away"),
        (mixed, NOW, "do not belong together"),
        (made, late, "has ended"),
        (msgspec.structs.replace(made, broker="mqtts://elsewhere:1"), NOW, "says something else"),
    ):
        with pytest.raises(EnrolmentError, match=said):
            accept(wrong, machine, tmp_path / "data", now)
        assert {path: path.read_bytes() for path in files_below(machine)} == before
    for change in (
        {"schema": 2},
        {"home": "../etc"},
        {"gateway": "alerts"},
        {"broker": "mqtt://plain:1883"},
        {"broker": 'mqtts://x"\n[alerts]'},
        {"ca": "not base64"},
        {"certificate": made.key},
    ):
        with pytest.raises(EnrolmentError) as caught:
            read_enrolment(msgspec.structs.replace(made, **change).encoded())
        assert made.key not in str(caught.value)


@given(st.binary(max_size=300) | st.recursive(st.none() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_is_no_enrolment_is_refused(content: bytes) -> None:
    with pytest.raises(EnrolmentError):
        read_enrolment(content)


@settings(max_examples=25, deadline=None)
@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - hypothesis wants so
    st.integers(1, 7_000),
)
def test_the_end_of_a_certificate_is_read_as_the_library_reads_it(at: datetime, days: int) -> None:
    when = at.replace(tzinfo=UTC, microsecond=0)
    issued = one_authority().issue_client("gateway-a", when, days)
    assert end_of(issued.certificate) == issued.ends_at
    for end in range(0, len(issued.certificate), 37):
        with pytest.raises(ValueError, match="certificate"):
            end_of(issued.certificate[:end])


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_certificates(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        end_of(content)


def test_files_that_cannot_be_used_are_named(tmp_path, home) -> None:
    identity = home.services_folder / "alerts.pem"
    ca = home.services_folder / "ca.pem"
    assert ends_at(identity) == NOW + timedelta(days=730)
    with pytest.raises(CertificateUnreadableError, match=r"gateways\.key holds no certificate"):
        ends_at(home.folder / "authority/gateways.key")
    gone = tmp_path / "gone.pem"
    for credentials, said in (
        (Credentials(ca_file=gone), "gone.pem: No such file"),
        (Credentials(ca_file=ca, certificate_file=gone), "gone.pem: No such file"),
        (Credentials(ca_file=ca, certificate_file=ca), "ca.pem: no certificate with its key"),
        (Credentials(ca_file=ca, certificate_file=identity, key_file=gone), "gone.pem: No such"),
    ):
        with pytest.raises(CertificatesUnusableError, match=said):
            credentials.context()


def test_an_encrypted_key_is_not_asked_for_on_a_terminal(tmp_path) -> None:
    Authority.create(tmp_path, "locked", NOW, b"secret")
    both = tmp_path / "both.pem"
    both.write_bytes(
        (tmp_path / "locked.pem").read_bytes() + (tmp_path / "locked.key").read_bytes()
    )
    with pytest.raises(CertificatesUnusableError, match="encrypted"):
        Credentials(certificate_file=both).context()


def test_a_gateways_certificate_is_shown_by_nobody_else(home, tmp_path) -> None:
    from wardlight.credentials import credentials_of

    clock = SystemClock()
    machine = tmp_path / "machine"
    path = accept(home.add_device("gateway-a", "gateway"), machine, tmp_path / "data", NOW)
    settings = load_settings(path)
    assert credentials_of(settings, "gateway", clock).certificate_file == machine / "identity.pem"
    with pytest.raises(SettingsError, match="the gateway's alone"):
        credentials_of(settings, "doctor", clock)


def test_settings_that_contradict_each_other(tmp_path) -> None:
    for lines, said in (
        ('ca_file = "x.pem"', "begins with mqtts://"),
        ('url = "mqtts://x"\nkey_file = "x.key"', "without certificate_file"),
    ):
        path = tmp_path / "home.toml"
        path.write_text(f"[broker]\n{lines}\n")
        with pytest.raises(SettingsError, match=said):
            load_settings(path)


def test_complaints_about_settings_hold_no_secret(tmp_path) -> None:
    path = tmp_path / "home.toml"
    path.write_text('[[staff]]\nid = "mei"\nname = "Mei"\ncontact = ["ntfy://hush"]\n')
    with pytest.raises(SettingsError, match="contact") as caught:
        load_settings(path)
    assert "hush" not in str(caught.value)


def test_complaints_about_settings_hold_nobodys_family(tmp_path) -> None:
    path = tmp_path / "home.toml"
    path.write_text(
        """
        [[residents]]
        id = "r"
        name = "A"
        bed = "1"
        zone = "z"
        plan = ["feeble"]
        contacts = [{ nam = "Chan Siu Ming", phone = 91234567 }]
        """
    )
    with pytest.raises(SettingsError, match="did you mean 'name'") as caught:
        load_settings(path)
    for private in ("Chan Siu Ming", "91234567", "feeble"):
        assert private not in str(caught.value)
    # What is missing is missing in a table, which is shown no more than its parts.
    path.write_text('[[staff]]\nid = "mei"\ncontact = "ntfy://hush"\n')
    with pytest.raises(SettingsError, match=r"staff\.0\.name: Field required") as caught:
        load_settings(path)
    assert "hush" not in str(caught.value)


class Line:
    """The commands, as a person types them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, stdin: str | bytes | None = None, status: int = 0):
        result = CliRunner().invoke(app, list(words), input=stdin)
        assert result.exit_code == status, result.output
        return result

    def provision(self, *words: str, status: int = 0):
        return self("provision", *words, "--folder", str(self.folder), status=status)


@pytest.fixture
def line(tmp_path) -> Line:
    return Line(tmp_path / "home")


def test_the_commands_from_the_first_to_the_last(line, tmp_path) -> None:
    said = line.provision("home", "demo", "--host", "10.0.0.5").stdout
    assert "mqtts://127.0.0.1:8884" in said
    assert "{service}.pem" in said
    picture = tmp_path / "code.png"
    line.provision("gateway", "gateway-a", "--qr", str(picture))
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert 300 < struct.unpack(">I", head[16:20])[0] < 1_000
    line.provision("sounder", "siren-1")
    line.provision("receiver", "lounge")
    line.provision("service", "engineer")
    line.provision("gateway", "gateway-a", status=2)

    file = line.folder / "enrolment/gateway-a.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    encoded = file.read_bytes()
    said = line("enrol", str(file), "--folder", str(tmp_path / "machine")).stdout
    assert "gateway gateway-a of home demo" in said
    assert not file.exists(), "it holds a key"
    line("enrol", "-", "--folder", str(tmp_path / "machine-2"), stdin=encoded)
    assert (tmp_path / "machine-2/identity.pem").exists()
    line("enrol", "-", "--folder", str(tmp_path / "machine-3"), stdin="rubbish", status=2)

    line.provision("rotate", "gateway-a")
    lines = {each["name"]: each for each in json.loads(line.provision("list", "--json").stdout)}
    assert lines["gateway-a"]["valid_certificates"] == 2
    assert lines["gateway-a"]["role"] == "gateway"
    assert 729 < lines["broker"]["days_left"] <= 730
    # Without a broker the files are written, and that nobody follows them yet is no success.
    result = line.provision("revoke", "gateway-a", status=1)
    assert "no mosquitto runs here" in result.stderr
    assert not (line.folder / "enrolment/gateway-a.json").exists()
    lines = {each["name"]: each for each in json.loads(line.provision("list", "--json").stdout)}
    assert lines["gateway-a"]["revoked"] is True
    assert "gateway-a" in line.provision("list").stdout


def test_a_passphrase_comes_from_a_file_and_never_from_the_command_line(line, tmp_path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    given = ("--passphrase-file", str(secret))
    line.provision("home", "demo", "--host", "10.0.0.5", *given)
    assert "--passphrase-file" in line.provision("gateway", "gateway-a", status=2).stderr
    line.provision("gateway", "gateway-a", *given)
    secret.write_text("wrong")
    assert "not that of this home" in line.provision("rotate", "gateway-a", *given, status=2).stderr
    secret.write_text("")
    assert "is empty" in line.provision("rotate", "gateway-a", *given, status=2).stderr
    for command in ("home", "gateway", "rotate", "revoke", "service", "sounder", "receiver"):
        text = line("provision", command, "--help").stdout
        assert "--passphrase " not in text
        assert "--password" not in text


def test_a_folder_without_a_home_says_so(line) -> None:
    for words in (("list",), ("rotate", "x"), ("revoke", "x"), ("gateway", "x")):
        assert "no home was provisioned here" in line.provision(*words, status=2).stderr


def test_the_machines_own_addresses_can_be_in_a_certificate(home) -> None:
    for host in found_hosts():
        assert host not in ("127.0.0.1", "localhost")
    pem = (home.broker_folder / "server.pem").read_bytes()
    shown = x509.load_pem_x509_certificate(pem)
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.local", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == [
        "10.0.0.5",
        "127.0.0.1",
        "::1",
    ]
    assert shown.public_bytes(Encoding.PEM) in pem
