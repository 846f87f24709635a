"""Nothing secret in a log: what a name or its form gives away is taken out before it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

HIDDEN: Final = "***"

_SECRET_NAMES: Final = re.compile(
    r"(?:^|_)(?:password|passphrase|passwd|secret|token|contact|private_key|authorization)$", re.I
)
"""Names of fields whose value is a secret. ``contact`` is an Apprise URL, which holds tokens."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_ENROLMENT_KEY: Final = re.compile(r'("key"\s*:\s*")[A-Za-z0-9+/=]{100,}')
_DEVICE_KEY: Final = re.compile(r"""(\bkey["']?\s*[:=]\s*["']?)[0-9A-Fa-f]{32}\b""")
"""Of a wearable or room sensor, as in a configuration (`contract.messages`) or its repr. Thirty-two
such digits without the word before them may be any id."""
_URL: Final = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://([^\s\"'<>\\]+)")

_SHOWN_SCHEMES: Final = frozenset(
    {"http", "https", "mqtt", "mqtts", "sqlite", "postgresql", "postgresql+psycopg", "file"}
)
"""Addresses that help whoever reads a log. In those of the services that notify (ntfy://,
tgram:// …) the path itself is what lets anybody send or listen."""


def redact(_logger: object, _method: str, entry: Any) -> Any:
    """A structlog processor; it stands after those that make text of exceptions."""
    return {name: _hidden(name, value) for name, value in entry.items()}


def hide(text: str) -> str:
    """`text` without keys, passwords and the addresses of people."""
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(HIDDEN, text)
    if '"key"' in text:
        text = _ENROLMENT_KEY.sub(rf"\g<1>{HIDDEN}", text)
    if "key" in text:
        text = _DEVICE_KEY.sub(rf"\g<1>{HIDDEN}", text)
    return _URL.sub(_without_secrets, text) if "://" in text else text


def _hidden(name: object, value: Any) -> Any:
    if isinstance(name, str) and _SECRET_NAMES.search(name) and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return HIDDEN if _DEVICE_KEY.fullmatch(f"{name}={value}") else hide(value)
    if isinstance(value, Mapping):
        return {key: _hidden(key, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(None, inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | bytes):
        return value
    text = str(value)
    shorter = hide(text)
    return value if text == shorter else shorter


def _without_secrets(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    if scheme.lower() not in _SHOWN_SCHEMES:
        return f"{scheme}://{HIDDEN}"
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = f"{HIDDEN}@{authority.rpartition('@')[2]}"
    elif "@" in path and ":" in authority:
        # A password with a slash in it: what is before the @ is no host.
        authority, slash, path = f"{HIDDEN}@{path.rpartition('@')[2]}", "", ""
    path = path.split("?")[0]
    return f"{scheme}://{authority}{slash}{path}"
