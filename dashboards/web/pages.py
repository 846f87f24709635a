"""Making the pages: templates, the words they need, and the address of each static file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alerts.views import Board, StaffRole, StaffView
from dashboards.web.asked import Asked
from dashboards.web.language import LANGUAGE_NAMES, Language
from dashboards.web.present import Presenter
from dashboards.web.resident_cards import ResidentPage
from dashboards.web.words import WORDS, Words

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"

RELOAD_S: Final = 10
"""Seconds between reloads where the browser runs no scripts: often enough to see an alert in
its first minute, rare enough that a finger finds the button."""

IDENTITY_HOURS: Final = 12
"""A shift with its hand-over; after that the device asks again, for it may be in other hands."""


def asset_version() -> str:
    """A short fingerprint of everything that a browser loads or that is rendered for it."""
    digest = hashlib.sha256()
    for path in sorted(HERE.rglob("*")):
        if path.suffix in (".css", ".js", ".svg", ".html", ".py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Pages:
    """Renders every page of the board.

    Parameters
    ----------
    home_name
        What the home is called on top of the page; empty for its id.
    time_zone
        IANA name of the home's time zone.
    """

    def __init__(self, home_name: str, time_zone: str) -> None:
        self.version = asset_version()
        self._home_name = home_name
        self.zone = ZoneInfo(time_zone)
        self.presenters = {language: Presenter(WORDS[language], self.zone) for language in Language}
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            version=self.version,
            languages=LANGUAGE_NAMES,
            reload_s=RELOAD_S,
            identity_hours=IDENTITY_HOURS,
        )

    def fragment(self, board: Board, language: Language) -> str:
        """The live part of the board alone."""
        return self._render("fragment.html", language, page=self.presenters[language].page(board))

    def board(
        self, board: Board, language: Language, *, me: StaffView | None, said: str | None
    ) -> str:
        """The whole board; `said` is what became of the action before."""
        return self._render(
            "board.html",
            language,
            page=self.presenters[language].page(board),
            home=self._home_name or board.home,
            me=me,
            said=said,
        )

    def who(
        self, staff: Iterable[StaffView], language: Language, *, me: StaffView | None, asked: Asked
    ) -> str:
        """The list of names to choose oneself from, carrying along what was asked."""
        groups: dict[StaffRole, list[StaffView]] = {role: [] for role in StaffRole}
        for person in sorted(staff, key=lambda person: person.name):
            groups[person.role].append(person)
        return self._render("who.html", language, groups=groups, me=me, asked=asked)

    def resident(self, page: ResidentPage, language: Language, *, me: StaffView | None) -> str:
        """One resident's page."""
        return self._render("resident.html", language, page=page, me=me)

    def error(self, language: Language, *, what: str, to_do: str, detail: str = "") -> str:
        """A refusal: what was wrong and what to do, as keys of the strings table."""
        return self._render("error.html", language, what=what, to_do=to_do, detail=detail)

    def _render(self, template: str, language: Language, **values: object) -> str:
        words: Words = WORDS[language]
        return self._environment.get_template(template).render(t=words, language=language, **values)
