"""Certificates towards the broker: what we show, whom we trust, and what a refusal means."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's ``X509_V_FLAG_NO_CHECK_TIME``; Python's `ssl.VerifyFlags` has no name for it."""

CERTIFICATE_TROUBLES: Final = (
    (
        "CERTIFICATE_REVOKED",
        "the broker refuses our certificate: it is revoked. If this machine is not the stolen "
        "one, enrol it anew (wardlight provision gateway, wardlight enrol)",
    ),
    (
        "CERTIFICATE_EXPIRED",
        "the broker refuses our certificate: it has expired. Make a new one (wardlight provision "
        "rotate) and enrol it here",
    ),
    (
        "ALERT_UNKNOWN_CA",
        "the broker refuses our certificate: another home issued it. Enrol this machine in this "
        "home",
    ),
    (
        "ALERT_DECRYPT_ERROR",
        "the broker refuses our certificate: it is signed by somebody who calls himself this "
        "home's authority. Enrol this machine in this home",
    ),
    (
        "ALERT_BAD_CERTIFICATE",
        "the broker cannot use our certificate: it is damaged, or the broker's clock is wrong. Set "
        "that clock, or enrol this machine again",
    ),
    (
        "CERTIFICATE_REQUIRED",
        "the broker wants a certificate and we have none: set certificate_file in the table "
        "[broker]",
    ),
    (
        "HANDSHAKE_FAILURE",
        "the broker wants a certificate that it trusts, or a cipher that we do not have",
    ),
    (
        "certificate has expired",
        "the broker's certificate has expired: renew it (wardlight provision rotate broker)",
    ),
    (
        "certificate is not yet valid",
        "the broker's certificate is not valid yet by this machine's clock: set the clock",
    ),
    (
        "Hostname mismatch",
        "the broker's certificate is for another host: use a name or address that it was made for",
    ),
    (
        "IP address mismatch",
        "the broker's certificate is for another address: use one that it was made for",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the broker's certificate was issued by somebody whom we do not trust: this is not the "
        "home's broker, or ca_file is of another home",
    ),
)
"""What OpenSSL says, and what it means here; the first that fits. TLS alerts: RFC 8446, 6.2."""


class CertificatesUnusableError(ConnectionError):
    """Our own files cannot be used; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Files that a client shows and trusts. They are read at each connect, so that what a
    rotation puts in their place is taken up without a restart.
    """

    ca_file: Path | None = None
    """Who may have issued the broker's certificate; None for those that the system trusts."""
    certificate_file: Path | None = None
    """Our own certificate; its key may stand in the same file."""
    key_file: Path | None = None
    """Its key, if it is in a file of its own."""
    clock_is_right: Callable[[], bool] = lambda: True
    """Whether the times in a certificate can be judged. A Pi that starts without a network has
    no idea of the time, and an alarm must not wait for it; who issued the certificate, and for
    which host, is looked at all the same."""

    def context(self) -> ssl.SSLContext:
        """A context of these files as they are now; host names are checked.

        Raises
        ------
        CertificatesUnusableError
            Naming the file.
        """
        try:
            made = ssl.create_default_context(
                cafile=None if self.ca_file is None else str(self.ca_file)
            )
        except OSError as error:
            raise CertificatesUnusableError(_complaint(self.ca_file, error)) from error
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.clock_is_right():
            made.verify_flags |= NO_CHECK_TIME
        if self.certificate_file is not None:
            try:
                made.load_cert_chain(self.certificate_file, self.key_file, password=_no_password)
            except (OSError, ValueError) as error:
                where = self.key_file if _is_there(self.certificate_file) else None
                raise CertificatesUnusableError(
                    _complaint(where or self.certificate_file, error)
                ) from error
        return made


def _no_password() -> str:
    """Rather than OpenSSL asking on a terminal that nobody looks at."""
    raise ValueError("the key is encrypted: a service cannot ask for its passphrase")


def _is_there(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def _complaint(path: Path | None, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        why = "no certificate with its key" if "PEM" in str(error) else (error.reason or str(error))
    elif isinstance(error, OSError):
        why = error.strerror or str(error)
    else:
        why = str(error)
    return f"our certificates cannot be used: {path}: {why}"


HUNG_UP: Final = "EOF occurred in violation of protocol"
"""What is left of a refusal whose reason was lost: a broker closes right after it."""

_HUNG_UP_ON_US: Final = (
    "the broker hung up when it had seen our certificate: it is of another home, or not for this "
    "listener"
)


def explain(text: str, *, shown: bool = False) -> str | None:
    """What a failed connection means, if it failed by a certificate; else None.

    Parameters
    ----------
    text
        What OpenSSL said.
    shown
        Whether it failed right after we showed a certificate, before any answer.
    """
    if shown and HUNG_UP in text:
        return _HUNG_UP_ON_US
    return next((meaning for sign, meaning in CERTIFICATE_TROUBLES if sign in text), None)
