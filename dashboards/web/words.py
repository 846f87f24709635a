"""The texts in one language, with their values put in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from contract.events import SIREN_BUTTON, STAFF_POINT
from dashboards.web.language import Language, Pair
from dashboards.web.strings import TEXTS
from dashboards.web.vocabulary import (
    FAULTS,
    KINDS,
    LOG,
    OUTCOMES,
    ROLES,
    STAFF_ROLES,
    STEPS,
    UNKNOWN_FAULT,
)


class Words:
    """The texts in one language.

    Parameters
    ----------
    language
        Which of the two.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._index = 0 if language is Language.ENGLISH else 1

    def __call__(self, key: str, **values: object) -> str:
        """The text called `key` with its values put in.

        Raises
        ------
        KeyError
            If there is no such text, or a value is missing.
        """
        return self.pick(TEXTS[key], **values)

    def pick(self, pair: Pair, **values: object) -> str:
        """The language's half of `pair` with its values put in."""
        text = pair[self._index]
        return text.format_map(values) if values else text

    def kind(self, kind: str) -> str:
        """What an event of `kind` is called."""
        return self._name(KINDS, kind)

    def fault(self, cause: str) -> tuple[str, str]:
        """What a fault means, and what to do about it."""
        text = FAULTS.get(cause, UNKNOWN_FAULT)
        return self.pick(text.what, cause=cause), self.pick(text.to_do)

    def outcome(self, outcome: str) -> str:
        """What a resolution is called."""
        return self._name(OUTCOMES, outcome)

    def log(self, what: str) -> str:
        """What a line of an incident's log says."""
        return self._name(LOG, what)

    def role(self, role: str) -> str:
        """What a gateway or service is for."""
        return self._name(ROLES, role)

    def staff_role(self, role: str) -> str:
        """What people of a role are called, in the plural."""
        return self._name(STAFF_ROLES, role)

    def step(self, step: str) -> str | None:
        """Whom a step of the escalation calls; none if it calls nobody."""
        pair = STEPS.get(step)
        return None if pair is None else self.pick(pair)

    def person(self, name: str | None) -> str:
        """A name as it is shown; the siren's button and a gateway's page are no person."""
        if name == SIREN_BUTTON:
            return self("alarm_point")
        if name == STAFF_POINT:
            return self("staff_point")
        return name or self("someone")

    def _name(self, table: Mapping[str, Pair], key: str) -> str:
        """From a table; the bare key if a newer sender says what this page does not know."""
        pair = table.get(key)
        return key.replace("_", " ") if pair is None else self.pick(pair)

    def age(self, seconds: float) -> str:
        """A duration as people say it; below zero is "0 s"."""
        whole = max(int(seconds), 0)
        if whole < 60:
            return self("seconds", n=whole)
        if whole < 3_600:
            return self("minutes", n=whole // 60)
        if whole < 86_400:
            return self("hours", n=whole // 3_600, m=whole % 3_600 // 60)
        return self("days", n=whole // 86_400, h=whole % 86_400 // 3_600)


WORDS: Final[Mapping[Language, Words]] = MappingProxyType(
    {language: Words(language) for language in Language}
)
