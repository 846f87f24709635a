"""An enrolment as a QR code, for a machine without a socket for a memory stick."""

from __future__ import annotations

import io
from typing import Final

import segno

ERROR_CORRECTION: Final = "l"
"""The least there is: a screen has no scratches, and the code is large as it is."""

PIXELS: Final = 4
"""For each module; 600 pixels in all, which a telephone reads from a hand's breadth."""


def qr_png(content: bytes) -> bytes:
    """A PNG picture."""
    out = io.BytesIO()
    _code(content).save(out, kind="png", scale=PIXELS)
    return out.getvalue()


def qr_text(content: bytes) -> str:
    """Two rows of the code in one line of a terminal."""
    out = io.StringIO()
    _code(content).terminal(out, compact=True)
    return out.getvalue()


def _code(content: bytes) -> segno.QRCode:
    return segno.make_qr(content, error=ERROR_CORRECTION, boost_error=False)
