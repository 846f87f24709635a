"""Whether what travels can be read on the way, and how long certificates are good."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import Final

from contract.clock import now_us
from contract.units import US_PER_S
from messaging.tls import CertificatesUnusableError, explain
from wardlight.credentials import (
    GATEWAY,
    credentials_of,
    is_the_gateways,
)
from wardlight.doctor.broker import TCP_S, address
from wardlight.doctor.context import NAME, Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import duration, reason

SOON_DAYS: Final = 30
"""A certificate that ends within a month is renewed now: the usual tools renew at 30 days left,
so one that is nearer its end was forgotten."""

ANSWERED_S: Final = 1.0
"""How long a broker may take to say no after a handshake: it does so within milliseconds."""

_DAY_S: Final = 86_400


async def certificate(context: Context) -> Finding:
    """The broker's certificate, as every service will see it."""
    try:
        host, port = address(context)
    except ValueError as error:
        return fault(str(error), "Correct url in the table [broker].")
    if not context.settings.broker.url.startswith("mqtts:"):
        return _unencrypted(context, host)
    try:
        trusting = _context(context)
        ends_s = await in_thread(lambda: _ends_at_s(host, port, trusting))
    except ssl.SSLCertVerificationError as error:
        return fault(
            f"the broker's certificate is not trusted: {error.verify_message}",
            "Renew it, or let this machine trust who issued it (ca_file in the table [broker], or "
            "SSL_CERT_FILE): until then no service connects.",
        )
    except OSError as error:
        return fault(
            f"no encrypted connection with {host}:{port}: {reason(error)}",
            "Give the broker's listener a certificate (certfile, keyfile), or use mqtt:// if it "
            "shall have none.",
        )
    left_s = ends_s - now_us(context.clock) / US_PER_S
    figures = {"certificate_days": left_s / _DAY_S}
    if left_s < SOON_DAYS * _DAY_S:
        return warning(
            f"the broker's certificate ends in {duration(left_s)}",
            "Renew it now (wardlight provision rotate broker): on that day every gateway loses "
            "the broker at once.",
            **figures,
        )
    return ok(f"encrypted; the certificate is good for {duration(left_s)}", **figures)


def _context(context: Context) -> ssl.SSLContext:
    """What this machine trusts and shows; on a gateway, what the gateway does."""
    who = GATEWAY if is_the_gateways(context.settings) else NAME
    credentials = credentials_of(context.settings, who, context.clock)
    return ssl.create_default_context() if credentials is None else credentials.context()


async def let_in(context: Context) -> Finding:
    """Whether the broker takes a gateway's certificate, without a session: it would end the one
    that the gateway itself has.
    """
    try:
        host, port = address(context)
        trusting = _context(context)
        refusal = await in_thread(lambda: _refusal(host, port, trusting))
    except (ValueError, CertificatesUnusableError) as error:
        return fault(str(error), "Correct the table [broker], or enrol this gateway again.")
    except OSError as error:
        return fault(
            f"no encrypted connection with {host}:{port}: {explain(str(error)) or reason(error)}",
            "Look whether the broker runs, and whether this gateway may reach it.",
        )
    if refusal is not None:
        return fault(refusal, "Enrol this gateway again, or renew its certificate.")
    return ok(
        f"{host}:{port} takes this gateway's certificate; what others say is looked at where the "
        "services run"
    )


def _refusal(host: str, port: int, trusting: ssl.SSLContext) -> str | None:
    """What comes back after the handshake: with TLS 1.3 the answer to a certificate comes then,
    and a broker that is content waits for us to speak.
    """
    with (
        socket.create_connection((host, port), TCP_S) as raw,
        trusting.wrap_socket(raw, server_hostname=host) as encrypted,
    ):
        encrypted.settimeout(ANSWERED_S)
        try:
            came = encrypted.recv(1)
        except TimeoutError:
            return None
        except OSError as error:
            return explain(str(error), shown=True) or reason(error)
    return "the broker hung up" if not came else None


def _ends_at_s(host: str, port: int, trusting: ssl.SSLContext) -> float:
    """When the certificate ends, seconds since 1970; raises `OSError` as any client would."""
    with (
        socket.create_connection((host, port), TCP_S) as raw,
        trusting.wrap_socket(raw, server_hostname=host) as encrypted,
    ):
        shown = encrypted.getpeercert() or {}
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _unencrypted(context: Context, host: str) -> Finding:
    also = ", the password too" if context.settings.broker.username else ""
    if _is_this_machine(host):
        return warning(
            "unencrypted; from this machine nothing leaves it, but what gateways on other "
            f"machines send to this broker can be read in the network{also}",
            "Give the broker's listener for other machines a certificate, and use mqtts:// there.",
        )
    return warning(
        "unencrypted: whoever is in the home's network can read where residents are and how "
        f"they move{also}, and can send false alarms",
        "Give the broker a certificate and use mqtts:// in the table [broker].",
    )


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
