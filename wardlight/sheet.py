"""``wardlight sheet``: the downtime sheet, from the records alone."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import msgspec

from wardlight.services import clock_of
from wardlight.settings import Settings


class NoSheetError(RuntimeError):
    """There is nothing to print from; the message says what to do."""


def downtime_sheet(
    settings: Settings, *, floor: str | None, out: Path | None, by: str | None, as_json: bool
) -> str:
    """Make the sheet; the text for the terminal.

    Parameters
    ----------
    out
        Where to write it as HTML, for its owner only.
    by
        Who prints it; default who is logged in.

    Raises
    ------
    NoSheetError
        If the records cannot be read, or nobody lies on that floor.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from alerts import Database
    from alerts.sheet import read_sheet
    from dashboards.sheet import render_html, render_text

    try:
        database = Database(settings.alerts.database)
    except (SQLAlchemyError, ValueError, OSError, ModuleNotFoundError) as error:
        raise NoSheetError(f"the records cannot be opened: {error}") from error
    try:
        if database.file is not None and not database.file.exists():
            raise NoSheetError(
                f"there are no records at {database.file}: give the home's settings with --config, "
                "on the machine that keeps them"
            )
        if not database.is_current():
            raise NoSheetError(
                "the records are of another version: `wardlight alerts` updates them"
            )
        sheet = read_sheet(
            database,
            settings.home.id,
            clock_of(settings),
            printed_by=by or _who(),
            every_s=settings.alerts.manual_check_minutes * 60,
            floor=floor,
        )
    except ValueError as error:
        raise NoSheetError(str(error)) from error
    except SQLAlchemyError as error:
        raise NoSheetError(f"the records cannot be read: {error}") from error
    finally:
        database.close()
    if out is not None:
        _write_private(out, render_html(sheet, settings.home.name))
    if as_json:
        return msgspec.json.format(msgspec.json.encode(sheet), indent=2).decode()
    if out is not None:
        beds = sum(len(each.lines) for each in sheet.floors)
        return (
            f"{out}: {beds} beds on {len(sheet.floors)} floors; print it and keep it in the ward."
        )
    return render_text(sheet, settings.home.name)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "?"


def _write_private(path: Path, text: str) -> None:
    """Names and telephone numbers: nobody else on this machine reads them.

    Raises
    ------
    NoSheetError
        If it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
    except OSError as error:
        raise NoSheetError(f"{path}: cannot be written: {error.strerror}") from error
