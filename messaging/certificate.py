"""When a certificate ends. A gateway needs no more of X.509 than this, and is spared a library
of 19 MB for it.
"""

from __future__ import annotations

import binascii
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.ASCII | re.DOTALL
)

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_TIMES: Final = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""UTCTime and GeneralizedTime as certificates may write them (RFC 5280, 4.1.2.5)."""

_BEFORE_VALIDITY: Final = 3
"""Serial number, signature algorithm and issuer (RFC 5280, 4.1)."""

_LONG_FORM: Final = 0x80
_MAX_LENGTH_BYTES: Final = 4
"""No certificate has 4 GB."""


class CertificateUnreadableError(ValueError):
    """A file that holds no certificate; the message names it."""


def ends_at(path: Path) -> datetime:
    """The end of validity of the first certificate in a PEM file, in UTC.

    Raises
    ------
    OSError
        If the file cannot be read.
    CertificateUnreadableError
        If there is none in it.
    """
    found = _PEM.search(path.read_text("ascii", errors="replace"))
    if found is None:
        raise CertificateUnreadableError(f"{path} holds no certificate")
    try:
        return end_of(ssl.PEM_cert_to_DER_cert(found.group()))
    except (ValueError, binascii.Error) as error:
        raise CertificateUnreadableError(f"{path} holds a damaged certificate") from error


def end_of(der: bytes) -> datetime:
    """The end of validity of a certificate in DER, in UTC (RFC 5280, 4.1).

    Raises
    ------
    ValueError
        If it is none.
    """
    _, certificate, _ = _read(der, _SEQUENCE)
    _, rest, _ = _read(certificate, _SEQUENCE)
    if rest[:1] == bytes((_VERSION,)):
        _, _, rest = _read(rest)
    for _ in range(_BEFORE_VALIDITY):
        _, _, rest = _read(rest)
    _, validity, _ = _read(rest, _SEQUENCE)
    _, _, until = _read(validity)
    tag, time, _ = _read(until)
    if tag not in _TIMES:
        raise ValueError("a certificate without an end")
    return datetime.strptime(time.decode("ascii"), _TIMES[tag]).replace(tzinfo=UTC)


def _read(der: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
    """Tag, contents and what follows, of the first element (X.690, 8.1)."""
    if len(der) < 2 or (wanted is not None and der[0] != wanted):
        raise ValueError("no certificate")
    length, start = der[1], 2
    if length & _LONG_FORM:
        size = length & ~_LONG_FORM
        if not 1 <= size <= _MAX_LENGTH_BYTES:
            raise ValueError("no certificate")
        start += size
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("a certificate that was cut off")
    return der[0], der[start : start + length], der[start + length :]
