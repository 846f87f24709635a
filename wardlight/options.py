"""What commands have in common: options, the settings, and how they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

if TYPE_CHECKING:
    from wardlight.settings import Settings

USAGE_ERROR: Final = 2

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings of the home (TOML); see docs/home.example.toml."),
]
LogOption = Annotated[str, typer.Option("--log", help="debug, info or warning.")]


def settings_of(path: Path | None, log: str) -> Settings:
    """Read the settings and begin to log, or end with what is wrong and what would be right."""
    from wardlight.settings import SettingsError, load_settings

    begin_log(log)
    try:
        return load_settings(path)
    except SettingsError as error:
        refuse(str(error))


def begin_log(level: str) -> None:
    """Begin to log, or end with the levels that there are."""
    from wardlight.logs import LEVELS, set_up_logs

    if level not in LEVELS:
        refuse(f"--log {level}: use one of {', '.join(LEVELS)}")
    set_up_logs(level)


def refuse(message: str) -> NoReturn:
    """End with status 2, and say why."""
    typer.echo(message, err=True)
    raise typer.Exit(USAGE_ERROR)
