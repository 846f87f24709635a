"""``wardlight calibrate``: teach the system a home."""

from __future__ import annotations

import os
from collections.abc import Sequence as Several
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wardlight.evaluating import is_recorded
from wardlight.options import ConfigOption, LogOption, settings_of

if TYPE_CHECKING:
    from evaluation.rooms import Sequence

app = typer.Typer(
    help="Teach the system a home.", no_args_is_help=True, pretty_exceptions_enable=False
)

USAGE_ERROR: Final = 2
LEFT_OUT: Final = 1


@app.callback()
def calibrate() -> None:
    """Teach the system a home."""


@app.command()
def rooms(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Folders of walks in which somebody wrote down the rooms."),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="File for the calibration.")],
    as_json: Annotated[bool, typer.Option("--json", help="What was learnt, as JSON.")] = False,
) -> None:
    """Learn what a home's rooms sound like to its receivers, from labelled walks.

    Five minutes with half a minute in each room are enough; see docs/rooms.md. Exit status 1: a
    folder could not be read and the others were used; 2: nothing could be learnt.
    """
    import msgspec

    from detectors import room_file
    from evaluation.rooms import CalibrationError, seconds_by_zone
    from evaluation.rooms import calibrate as learn

    if out.is_dir() or not os.access(out.parent, os.W_OK):
        _refuse(f"{out} cannot be written: name a file in a folder that can be written to")
    if any(is_recorded(out, each) for each in paths):
        _refuse(f"{out} would be written over a recording: name another file")
    sequences, unreadable = read_all(paths)
    for reason in unreadable:
        typer.echo(f"cannot be read: {reason}", err=True)
    try:
        model = learn(sequences)
    except CalibrationError as error:
        _refuse(str(error))
    out.write_bytes(room_file.encode(model))
    spent = seconds_by_zone(sequences)
    if as_json:
        typer.echo(msgspec.json.encode({"out": str(out), "seconds": spent}).decode())
    else:
        typer.echo(_report(spent, model.receivers, model.sensors, out))
    if unreadable:
        raise typer.Exit(LEFT_OUT)


@app.command()
def walk(
    *,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="The enrolled wearable that is carried.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the walk; one in it goes on.")],
    learn: Annotated[
        Path | None, typer.Option(help="Learn the rooms at the end, into this file.")
    ] = None,
    host: Annotated[str, typer.Option(help="Where the page is served.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8070,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Walk through the home with a wearable and a phone that says "now in: …".

    Half a minute in each room, turning around once; see docs/rooms.md. Only the wearable that is
    carried is written down. Exit status 1: it was stopped before somebody was done; what was
    walked is kept, and the same command goes on. 2: it could not begin.
    """
    import asyncio
    import socket

    from contract.clock import SystemClock
    from evaluation.rooms import SequenceError
    from wardlight.services import bus_of
    from wardlight.walking import WalkRun, missing

    settings = settings_of(config, log)
    if not settings.zones:
        _refuse(
            "the settings hold no plan: name the home's rooms as [[zones]] first; see "
            "docs/home.example.toml"
        )
    clock = SystemClock()
    try:
        bus = bus_of(settings, f"walk-{os.urandom(4).hex()}", clock, "engineer")
        run = WalkRun(settings, out, device, bus=bus, clock=clock, say=typer.echo)
        shown = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104
        is_done = asyncio.run(run.run(host, port, shown))
    except (OSError, ValueError, SequenceError) as error:
        _refuse(str(error))
    left = missing(run.state())
    if left:
        typer.echo(f"Too short, or not heard: {', '.join(left)}. The same command goes on there.")
    typer.echo(f"The walk is in {out}.")
    if is_done and learn is not None:
        rooms([out], out=learn, as_json=False)
    elif not is_done:
        raise typer.Exit(LEFT_OUT)


SHORT_S: Final = 20
"""Less than this in a room, and it is learnt badly: a body has not turned once."""


def _report(
    spent: dict[str, int], receivers: Several[str], sensors: Several[str], out: Path
) -> str:
    lines = [f"{zone:20} {seconds:6d} s" for zone, seconds in spent.items()]
    short = [zone for zone, seconds in spent.items() if seconds < SHORT_S]
    if short:
        lines.append(f"Walk again and stay {SHORT_S} s or longer in: {', '.join(short)}.")
    lines.append(
        f"Learnt {len(spent)} zones by {len(receivers)} receivers and {len(sensors)} sensors."
    )
    lines.append(f"Written to {out}.")
    return "\n".join(lines)


def read_all(paths: Several[Path]) -> tuple[list[Sequence], list[str]]:
    """The walks in these folders, or in the folders below them, and why others cannot be read."""
    from evaluation.rooms import SequenceError, is_sequence, read_sequence

    folders = []
    for path in paths:
        below = [each for each in sorted(path.glob("*/")) if is_sequence(each)]
        folders += [path] if is_sequence(path) or not below else below
    found, unreadable = [], []
    for folder in folders:
        try:
            found.append(read_sequence(folder))
        except SequenceError as error:
            unreadable.append(str(error))
    return found, unreadable


def _refuse(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(USAGE_ERROR)
