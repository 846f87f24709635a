"""What commands have in common: options, the settings, and how they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

if TYPE_CHECKING:
    from contract.protocols import RecordedStream
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


def first_fall(path: Path, trial: str | None) -> RecordedStream:
    """The trial of a recording by that name, or its first fall; or end with what is wrong."""
    from firmware_sim import ParquetRecording, RecordingError

    try:
        streams = list(ParquetRecording(path, trial).trials())
    except RecordingError as error:
        refuse(str(error))
    falls = [stream for stream in streams if stream.labels.get("is_fall")]
    if trial is None and not falls:
        refuse(f"{path}: holds no trial marked as a fall; name one with --trial")
    return (falls if trial is None else streams)[0]
