"""``wardlight evaluate``: measure the detectors on recordings, one's own or public ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from contract.whereabouts import ZoneUse
    from evaluation.falls import Asked

app = typer.Typer(
    help="Measure the detectors on recordings, through the gateway's own pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

USAGE_ERROR: Final = 2
LEFT_OUT: Final = 1
"""Exit status where a file among others could not be read: a script must not take the figures for
those of all."""

INTERRUPTED: Final = 130
"""As of a program that an interrupt from the keyboard has ended."""

SKIPPED_SHOWN: Final = 10
"""More than these are counted only; ``--json`` has them all."""


@app.callback()
def evaluate() -> None:
    """Measure the detectors on recordings, through the gateway's own pipeline."""


@app.command()
def falls(
    *,
    paths: Annotated[
        list[Path], typer.Argument(help="Parquet files of trials, or folders of them.")
    ],
    transport: Annotated[
        Literal["stream", "window"],
        typer.Option(help="stream: a held link; window: adverts and fetched windows."),
    ] = "stream",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Write each detection to this file, a JSON line each.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write pages with curves, misses and false alarms to this folder."),
    ] = None,
    clip_g: Annotated[
        float | None, typer.Option(help="Saturate the sensor at ± this many g on each axis.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Sample at this rate in Hz instead of the recorded one.")
    ] = None,
    loss: Annotated[
        float, typer.Option(help="Share of adverts and packets that are lost, 0 to 0.95.")
    ] = 0.0,
    model: Annotated[
        Path | None,
        typer.Option(help="Judge the models of this folder, or of its folds, not those that ship."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the noise around trials, and of the simulated air.", min=0)
    ] = 0,
    log: Annotated[str, typer.Option("--log", help="debug, info or warning.")] = "warning",
) -> None:
    """Find the falls in recordings as a home's gateway would, and say how well it does.

    Each trial is worn by a simulated wearable of its own and heard by the code of a gateway. Trials
    without labels give detections only. Exit status 1: a file could not be read (to its end), and
    the figures are those of the others; 2: nothing could be played. See docs/evaluation.md.
    """
    from wardlight.logs import LEVELS, set_up_logs

    if log not in LEVELS:
        _refuse(f"--log {log}: use one of {', '.join(LEVELS)}")
    set_up_logs(log)
    from detectors.fall_model import ModelError
    from evaluation.falls import Asked, NothingToPlayError, Stress
    from firmware_sim import RecordingError

    _check_places([each for each in (json_file, detections) if each is not None], report, paths)
    try:
        stress = Stress(clip_g=clip_g, rate_hz=rate, loss=loss)
    except ValueError as error:
        _refuse(str(error))
    asked = Asked(paths=paths, transport=transport, stress=stress, seed=seed, models=model)
    try:
        is_whole = _evaluate(asked, json_file, detections, report)
    except (RecordingError, NothingToPlayError, ModelError, OSError) as error:
        _refuse(str(error))
    if not is_whole:
        raise typer.Exit(LEFT_OUT)


@app.command("simulated-home")
def simulated_home(
    *,
    days: Annotated[int, typer.Option(help="How many days of the home are lived.", min=1)] = 2,
    seed: Annotated[int, typer.Option(help="Of its people, its air and its sensors.", min=0)] = 1,
    walk_minutes: Annotated[
        int | None,
        typer.Option(
            help="Length of the walk that teaches the rooms, instead of half a minute in each; 0: "
            "by the plan alone.",
            min=0,
            max=240,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Live days of a simulated home of sixty, and say what was told of them.

    Behaviour, radio and sensors are made up: the figures are synthetic. A day takes about a minute;
    interrupted, it reports the days that are over. Exit status 1: there were more false pages than
    are asked for, or somebody got out through the second door before it was told; 130: interrupted.
    See docs/simulated-home.md.
    """
    from evaluation.whereabouts.simulated import SimulatedDays
    from evaluation.whereabouts.simulated_report import as_json, figures, meets_bar, table
    from wardlight.reports import Progress

    _check_places([each for each in (json_file,) if each is not None], None, [])
    home = SimulatedDays(days, seed, walk_s=walk_minutes and 60 * walk_minutes)
    progress = Progress("Living hours")
    try:
        home.play(progress.show)
    except KeyboardInterrupt:
        if not home.lived.days:
            raise
    finally:
        progress.end()
    found = figures(home.lived, seed=seed, walk_s=home.walk_s)
    if json_file is not None:
        json_file.write_text(as_json(found) + "\n", "utf-8")
    typer.echo(table(found))
    if home.lived.days < days:
        typer.echo(f"Interrupted: these are {home.lived.days} of {days} days.", err=True)
        raise typer.Exit(INTERRUPTED)
    if not meets_bar(found):
        raise typer.Exit(LEFT_OUT)


@app.command()
def rooms(
    *,
    paths: Annotated[
        list[Path], typer.Argument(help="Folders of recorded walks (wrist, receivers, rooms).")
    ],
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="What wardlight calibrate rooms wrote; without it each walk is judged by what the "
            "others teach."
        ),
    ] = None,
    uncalibrated: Annotated[
        bool,
        typer.Option(
            "--uncalibrated", help="Judge what is told of a home that nobody has walked through."
        ),
    ] = False,
    stands_in: Annotated[
        list[str] | None,
        typer.Option(
            help="RECEIVER=ROOM, for --uncalibrated; may be repeated. Known for the SPHERE house."
        ),
    ] = None,
    sensors: Annotated[
        bool, typer.Option(help="Whether room sensors may be used, beside signal strengths.")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Say how well a home's rooms are told, second by second and without hindsight.

    Each walk is played through the filter that a home's gateways run; each second is decided
    within five. Exit status 1: a folder could not be read, and the figures are those of the others;
    2: nothing could be judged. See docs/rooms.md.
    """
    from evaluation.rooms import CalibrationError, evaluate_rooms, load_calibration, planned
    from wardlight.reports import Progress
    from wardlight.rooms import read_all

    _check_places([each for each in (json_file,) if each is not None], None, paths)
    if uncalibrated and calibration is not None:
        _refuse("--uncalibrated and --calibration exclude each other")
    standing = _standing(stands_in or [])
    sequences, unreadable = read_all(paths)
    _tell("cannot be read", unreadable)
    progress = Progress("Playing walks")
    try:
        model = None if calibration is None else load_calibration(calibration)
        if uncalibrated:
            model = planned(sequences, standing)
        result = evaluate_rooms(sequences, model, with_sensors=sensors, progress=progress.show)
        result = result._replace(unreadable=unreadable)
    except CalibrationError as error:
        progress.end()
        _refuse(str(error))
    progress.end()
    if json_file is not None:
        json_file.write_text(result.json() + "\n", "utf-8")
    typer.echo(result.table())
    if unreadable:
        raise typer.Exit(LEFT_OUT)


def _standing(words: list[str]) -> dict[str, str]:
    """Receiver to the zone in which it stands."""
    from evaluation.rooms import SPHERE_STANDS_IN

    standing = dict(SPHERE_STANDS_IN)
    for word in words:
        receiver, separator, zone = word.partition("=")
        if not (receiver and separator and zone):
            _refuse(f"--stands-in {word}: write RECEIVER=ROOM")
        standing[receiver] = zone
    return standing


@app.command()
def whereabouts(
    *,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What a home's sensors said: the layout of CASAS, or a folder."
        ),
    ],
    inject: Annotated[
        Literal["pacing", "lapping", "night_exit", "no_return", "all"] | None,
        typer.Option(help="Put synthetic episodes into copies of real days and nights."),
    ] = None,
    copies: Annotated[int, typer.Option(help="Episodes of each kind.", min=1)] = 40,
    learn_days: Annotated[
        int, typer.Option(help="First days that teach habits and are not counted.", min=0)
    ] = 0,
    at_risk: Annotated[
        bool,
        typer.Option(
            "--at-risk", help="Judge ordinary life as of somebody who may not leave alone."
        ),
    ] = False,
    use: Annotated[
        list[str] | None,
        typer.Option(help="PLACE=USE, for places whose names do not say what they are for."),
    ] = None,
    zone: Annotated[
        str, typer.Option(help="The home's time zone; default: no clock was ever put back.")
    ] = "UTC",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the episodes.", min=0)] = 0,
) -> None:
    """Say what is told of a recorded home's ordinary life, and of episodes put into it.

    One resident, motion sensors and doors, played second by second through the rules of a home's
    lead gateway. Exit status 1: lines could not be read, and the figures are those of the others;
    2: nothing could be judged. See docs/evaluation.md.
    """
    from evaluation.whereabouts.injecting import SCENARIOS
    from evaluation.whereabouts.recorded import RecordedHomeError, read_home
    from evaluation.whereabouts.recorded_life import Asked, evaluate_life
    from evaluation.whereabouts.recorded_report import as_json, table
    from wardlight.reports import Stages

    _check_places([each for each in (json_file,) if each is not None], None, [path])
    scenarios = list(SCENARIOS) if inject == "all" else [inject] if inject else []
    asked = Asked(learn_days, scenarios, copies, seed, at_risk)
    stages = Stages()
    try:
        home, unreadable = read_home(path, _time_zone(zone), _uses(use or []))
        _tell("cannot be read", unreadable)
        result = evaluate_life(home, asked, unreadable, stages.show)
    except RecordedHomeError as error:
        stages.end()
        _refuse(str(error))
    stages.end()
    if json_file is not None:
        json_file.write_text(as_json(result) + "\n", "utf-8")
    typer.echo(table(result))
    if unreadable:
        raise typer.Exit(LEFT_OUT)


def _time_zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        _refuse(f"there is no time zone {name!r}; say it like Asia/Hong_Kong")


def _uses(said: list[str]) -> dict[str, ZoneUse]:
    """PLACE=USE, each."""
    from contract.whereabouts import ZoneUse

    uses = {}
    for each in said:
        place, _, use = each.rpartition("=")
        if not place or use not in set(ZoneUse):
            _refuse(f"--use {each}: say PLACE=USE, with one of {', '.join(ZoneUse)}")
        uses[place] = ZoneUse(use)
    return uses


def _check_places(files: list[Path], report: Path | None, recordings: list[Path]) -> None:
    """Refuse before minutes of work what could not be written after them, or would be lost."""
    for file in files:
        if file.is_dir() or not file.parent.is_dir():
            _refuse(f"{file} cannot be written: name a file in a folder that is there")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            _refuse(f"{file} cannot be written: permission denied")
        if file.suffix == ".parquet" or any(is_recorded(file, each) for each in recordings):
            _refuse(f"{file} would be written over a recording: name another file")
    ordinary = [file.resolve() for file in files if file.is_file() or not file.exists()]
    if len(set(ordinary)) < len(ordinary):
        _refuse(f"{files[0]} cannot hold both figures and detections: name two files")
    if report is not None:
        there = next(each for each in (report, *report.absolute().parents) if each.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            _refuse(f"{report} cannot be written: {there} is no folder that can be written to")


def is_recorded(file: Path, recording: Path) -> bool:
    """Whether a file is a recording, or one of the tables in its folder."""
    at, recorded = file.resolve(), recording.resolve()
    is_table = file.suffix in {".csv", ".gz", ".txt"} and file.exists()
    return at == recorded or (is_table and recorded in at.parents)


def _evaluate(
    asked: Asked, json_file: Path | None, detections: Path | None, folder: Path | None
) -> bool:
    """Whether all files could be read."""
    from evaluation.falls import detection_lines, evaluate, figures_json, table, write_pages
    from wardlight.reports import Progress

    progress = Progress("Playing trials")
    try:
        result = evaluate(asked, progress.show)
    finally:
        progress.end()
    _tell("cannot be read", result.unreadable)
    _tell("skipped", result.skipped)
    _tell("doubtful", result.doubts)
    if json_file is not None:
        json_file.write_text(figures_json(result), "utf-8")
    if detections is not None:
        lines = [f"{line}\n" for line in detection_lines(result.heard)]
        detections.write_text("".join(lines), "utf-8")
    elif not result.is_labelled:
        for line in detection_lines(result.heard):
            typer.echo(line)
    if result.is_labelled:
        typer.echo(table(result))
    else:
        typer.echo("No trial says whether it holds a fall: detections only.", err=True)
    if folder is not None:
        typer.echo(f"The report begins at {write_pages(result, folder)}.")
    return not result.unreadable


def _tell(what: str, reasons: list[str]) -> None:
    for reason in reasons[:SKIPPED_SHOWN]:
        typer.echo(f"{what}: {reason}", err=True)
    if len(reasons) > SKIPPED_SHOWN:
        more = len(reasons) - SKIPPED_SHOWN
        typer.echo(f"... and {more} more; --json lists them", err=True)


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(USAGE_ERROR)
