"""Which of the two languages a page is in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class Language(StrEnum):
    """The languages of the board, as BCP 47 tags."""

    ENGLISH = "en"
    CHINESE = "zh-Hant"


LANGUAGE_NAMES: Final[Mapping[Language, str]] = MappingProxyType(
    {Language.ENGLISH: "English", Language.CHINESE: "繁體中文"}
)
"""Each in itself: who cannot read the page must still find the way out of it."""


class Pair(NamedTuple):
    """One text in both languages; ``{name}`` stands for a value."""

    en: str
    zh: str


def choose_language(query: str | None, cookie: str | None, accept: str | None) -> Language:
    """The language to answer in: asked for, else remembered, else the browser's, else English.

    Parameters
    ----------
    query, cookie
        A BCP 47 tag, or nothing.
    accept
        An ``Accept-Language`` header (RFC 9110, 12.5.4), or nothing.
    """
    for tag in (query, cookie):
        language = _known(tag)
        if language is not None:
            return language
    for tag in _by_quality(accept or ""):
        language = _known(tag)
        if language is not None:
            return language
    return Language.ENGLISH


def _known(tag: str | None) -> Language | None:
    primary = (tag or "").strip().lower().split("-")[0]
    return {"en": Language.ENGLISH, "zh": Language.CHINESE, "yue": Language.CHINESE}.get(primary)


def _by_quality(accept: str) -> list[str]:
    """Tags in the order of preference; a tag with a broken weight is ignored."""
    weighted: list[tuple[float, str]] = []
    for part in accept.split(","):
        tag, _, parameter = part.strip().partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if weight > 0:
            weighted.append((-weight, tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda item: item[0])]
