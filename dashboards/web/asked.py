"""What somebody asks for with a form, before it is known who asks."""

from __future__ import annotations

from typing import Final

import msgspec

from contract.whereabouts import WhereaboutsPolicy

MAX_DIGITS: Final = 18
"""Of a number in a form: the records hold 64 bits."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wanted to do before the page asked who they are."""

    action: str = ""
    incident: str = ""
    outcome: str = ""
    note: str = ""


class AskedWhereabouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A form of a resident's whereabouts, read."""

    policy: WhereaboutsPolicy
    version: int | None = None


def is_number(text: str) -> bool:
    """Whether it is one that the records have room for."""
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
