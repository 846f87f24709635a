"""Whether what travels can be read on the way, and how long the certificate is good."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import Final

from contract.clock import now_us
from contract.units import US_PER_S
from wardlight.doctor.broker import TCP_S, address
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import duration, reason

SOON_DAYS: Final = 30
"""A certificate that ends within a month is renewed now: the usual tools renew at 30 days left,
so one that is nearer its end was forgotten."""

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
        ends_s = await in_thread(lambda: _ends_at_s(host, port))
    except ssl.SSLCertVerificationError as error:
        return fault(
            f"the broker's certificate is not trusted: {error.verify_message}",
            "Renew it, or let this machine trust who issued it (SSL_CERT_FILE names a file of "
            "issuers): until then no service connects.",
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
            "Renew it now: on that day every gateway loses the broker at once.",
            **figures,
        )
    return ok(f"encrypted; the certificate is good for {duration(left_s)}", **figures)


def _ends_at_s(host: str, port: int) -> float:
    """When the certificate ends, seconds since 1970; raises `OSError` as any client would."""
    trusting = ssl.create_default_context()
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
