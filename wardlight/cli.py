"""The command line. Heavy rooms are imported by the command that needs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from wardlight import __version__, airing, evaluating, ingesting, rooms, storing
from wardlight.devices import commands as devices
from wardlight.options import (
    ConfigOption,
    LogOption,
    begin_log,
    first_fall,
    refuse,
    settings_of,
)
from wardlight.provision import commands as provisioning

app = typer.Typer(
    name="wardlight",
    help="Watches over older people in care homes: falls, wandering and silence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

train_app = typer.Typer(help="Train the detectors.", no_args_is_help=True)
app.add_typer(train_app, name="train")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"wardlight {__version__}")


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="Do not speak of a browser.")] = False,
    until_alert: Annotated[
        bool,
        typer.Option(
            "--until-alert",
            help="Acknowledge the alert through the API and stop; fails if a stage fails.",
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="Play a recorded trial instead: a parquet file or folder."),
    ] = None,
    trial: Annotated[
        str | None, typer.Option(help="Which trial of --data; default its first fall.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the home keeps its files.")] = Path(
        "var/demo"
    ),
    port: Annotated[int, typer.Option(help="Port of the board; another if it is taken.")] = 8080,
    seed: Annotated[
        int | None, typer.Option(help="Of the simulated home; default a new one each time.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per stage.")] = False,
    bluez: Annotated[
        bool,
        typer.Option("--bluez", help="Hear the home through bleak and D-Bus, on a fake BlueZ."),
    ] = False,
    log: LogOption = "warning",
) -> None:
    """Run a complete home on this machine, in which one resident falls."""
    import asyncio

    settings = settings_of(None, log)
    recording = first_fall(data, trial) if data is not None else None
    from wardlight.demo import DemoOptions, run_demo

    options = DemoOptions(
        folder=folder,
        port=port,
        headless=headless,
        until_alert=until_alert,
        recording=recording,
        seed=seed,
        as_json=as_json,
        bluez=bluez,
    )
    raise typer.Exit(asyncio.run(run_demo(options, settings)))


@app.command()
def replay(
    path: Annotated[
        Path,
        typer.Argument(help="A parquet file of trials, a folder of them, or a folder of record."),
    ],
    speed: Annotated[
        float,
        typer.Option(help="10 is ten times faster; 0 as fast as it can, the same in every run."),
    ] = 0.0,
    trial: Annotated[str | None, typer.Option(help="Only this trial.")] = None,
    transport: Annotated[
        Literal["stream", "window"],
        typer.Option(help="stream: a held link; window: adverts and fetched windows."),
    ] = "stream",
    config: ConfigOption = None,
    resident: Annotated[
        str | None,
        typer.Option(help="With --config: whose wearable plays; default the first."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of ids and of the noise between trials.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Each event as it was published, a line each.")
    ] = False,
    log: LogOption = "warning",
) -> None:
    """Play a recording through the gateway: in this process, or with --config to a home."""
    if speed < 0:
        refuse("--speed must be 0 or more")
    if config is not None and speed == 0:
        refuse("--speed 0 runs on a virtual clock; against a running home use 1 or more")
    settings = settings_of(config, log)
    from firmware_sim import RecordingError
    from wardlight.replay import ReplayError, ReplayOptions, open_recording
    from wardlight.replay import replay as run
    from wardlight.settings import SettingsError

    try:
        options = ReplayOptions(
            recording=open_recording(path, trial),
            speed=speed,
            transport=transport,
            seed=seed,
            as_json=as_json,
            resident=resident,
        )
        run(options, settings if config is not None else None)
    except (RecordingError, ReplayError, SettingsError) as error:
        refuse(str(error))


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(help="Where to put the recording; made, or empty.")],
    config: ConfigOption = None,
    seconds: Annotated[
        float | None, typer.Option(help="How long; default until Ctrl-C.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    log: LogOption = "warning",
) -> None:
    """Run this machine's gateway and keep all that its radio hears; replay plays it back.

    Exit status 1: it ended early, and what was kept can be played; 2: it could not begin.
    """
    settings = settings_of(config, log)
    from wardlight.record import run_record

    raise typer.Exit(run_record(settings, folder, seconds=seconds, as_json=as_json))


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="The set's folder, as its authors publish it.")],
    out: Annotated[Path, typer.Option("--out", help="The parquet file to write.")],
    layout: Annotated[
        str | None, typer.Option(help="Its layout by name; default: found out.")
    ] = None,
    placement: Annotated[
        str | None, typer.Option(help="Only what was worn here: wrist, waist …")
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(help="The home's time zone, such as Asia/Hong_Kong; CASAS needs it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    log: LogOption = "warning",
) -> None:
    """Make a public data set, as you downloaded it, one file.

    Motion that replay and evaluation read: WEDA-FALL, SisFall, SmartFallMM, UMAFall and SPHERE
    Challenge. Events of room sensors: CASAS, with --zone. See docs/recordings.md.
    Exit status 1: some files could not be read, the others are written.
    """
    settings_of(None, log)
    from firmware_sim.layouts import LayoutError, import_motion
    from wardlight.reports import Progress, import_report

    if zone is not None:
        if layout not in {None, "casas"} or placement is not None:
            refuse("--zone is for events (CASAS), --layout and --placement are for motion")
        _import_events(folder, out, zone, as_json=as_json)
    progress = Progress(f"Reading {folder}")
    try:
        report = import_motion(
            folder, out, layout=layout, placement=placement, progress=progress.show
        )
    except (LayoutError, OSError) as error:
        progress.end()
        refuse(str(error))
    progress.end()
    typer.echo(import_report(report, as_json=as_json))
    raise typer.Exit(report.exit_status)


def _import_events(folder: Path, out: Path, zone: str, *, as_json: bool) -> NoReturn:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from firmware_sim.layouts import LayoutError, import_events
    from wardlight.reports import events_report

    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        refuse(f"there is no time zone {zone!r}; say it like Asia/Hong_Kong")
    try:
        report = import_events(folder, out, where)
    except (LayoutError, OSError) as error:
        refuse(str(error))
    typer.echo(events_report(report, as_json=as_json))
    raise typer.Exit(report.exit_status)


@train_app.command("falls")
def train_falls(
    data: Annotated[
        list[Path],
        typer.Argument(help="Parquet files of trials, or folders of them; see docs/recordings.md."),
    ],
    placement: Annotated[
        Literal["wrist", "waist", "all"],
        typer.Option(help="Which model; all: each that the data has trials for."),
    ] = "all",
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the models, their hashes and their cards.")
    ] = Path("var/models"),
    seed: Annotated[
        int, typer.Option(min=0, help="Same data and seed, same model, bit by bit.")
    ] = 0,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Folds by person for the figures; default 7, with --quick 3."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The cards as a JSON list.")] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A poor model in a tenth of the time, to see that all works."),
    ] = False,
    keep_folds: Annotated[
        Path | None,
        typer.Option(help="Keep the models of the folds here, for evaluate falls --model."),
    ] = None,
) -> None:
    """Train the fall models and print what they do on people held out.

    Nothing leaves the folder --out: a model is shipped by putting it into detectors/models. On the
    public sets it takes about ten minutes of one core. Exit status 2: the data cannot be used.
    """
    from evaluation.training import TrainingOptions, UnfitDataError
    from firmware_sim import RecordingError
    from wardlight.training import run_training

    options = TrainingOptions(
        placement=None if placement == "all" else placement,
        seed=seed,
        folds=folds,
        is_quick=quick,
        keep_folds=keep_folds,
    )
    try:
        run_training(data, options, out, as_json=as_json)
    except (RecordingError, UnfitDataError, OSError) as error:
        refuse(str(error))


@train_app.command("fingerprints")
def train_fingerprints(
    data: Annotated[
        list[Path], typer.Argument(help="What the models were trained on: parquet files, folders.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the models.")] = Path("var/models"),
) -> None:
    """Write what a training's recordings are recognised by beside its models, without training.

    `wardlight train falls` does so too; this is for models that were made before it did.
    """
    from evaluation.training import write_fingerprints
    from firmware_sim import RecordingError

    try:
        write_fingerprints(data, out, lambda line: typer.echo(line, err=True))
    except (RecordingError, OSError) as error:
        refuse(str(error))


@app.command()
def doctor(
    config: ConfigOption = None,
    only: Annotated[
        str, typer.Option(help="Only these groups, separated by commas; see docs/doctor.md.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
    log: LogOption = "warning",
) -> None:
    """Examine the home and say what to do about each fault.

    Exit status 0: no fault; 1: at least one; 2: the settings cannot be read.
    """
    begin_log(log)
    from wardlight.doctor import doctor as examine

    groups = [group.strip() for group in only.split(",") if group.strip()]
    raise typer.Exit(examine(config, as_json=as_json, out=sys.stdout, only=groups))


@app.command()
def scene(
    path: Annotated[Path, typer.Argument(help="A scene (YAML), or a folder of them.")],
    seed: Annotated[
        int | None, typer.Option(help="Of the simulated home; default the scene's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    log: LogOption = "warning",
) -> None:
    """Play a scene on a virtual clock through the real services, and judge what it expects.

    Exit status 1: an expectation was missed; 2: the scene cannot be read. See docs/replay.md.
    """
    settings_of(None, log)
    from wardlight.scenes import run_scene

    raise typer.Exit(run_scene(path, out=sys.stdout, as_json=as_json, seed=seed))


@app.command()
def sheet(
    config: ConfigOption = None,
    floor: Annotated[str | None, typer.Option(help="Only this floor.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it as HTML to print: A4, a floor a page.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who prints it; default the user.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The sheet as JSON.")] = False,
    log: LogOption = "warning",
) -> None:
    """Print the downtime sheet for the ward folder: residents by bed, plan, contacts.

    From the records alone: it works with broker and services down. It holds names and telephone
    numbers. Exit status 1: the records cannot be read; 2: the settings cannot.
    """
    settings = settings_of(config, log)
    from wardlight.sheet import NoSheetError, downtime_sheet

    try:
        typer.echo(downtime_sheet(settings, floor=floor, out=out, by=by, as_json=as_json))
    except NoSheetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _serve(name: str, config: Path | None, log: str) -> None:
    settings = settings_of(config, log)
    from wardlight import services

    run = getattr(services, f"run_{name}")
    raise typer.Exit(services.run_until_stopped(run, settings))


@app.command()
def gateway(config: ConfigOption = None, log: LogOption = "info") -> None:
    """Run this machine's gateway."""
    _serve("gateway", config, log)


@app.command()
def alerts(config: ConfigOption = None, log: LogOption = "info") -> None:
    """Run the alert service: incidents, escalation, records."""
    _serve("alerts", config, log)


@app.command()
def web(config: ConfigOption = None, log: LogOption = "info") -> None:
    """Run the board and the API."""
    _serve("web", config, log)


app.add_typer(airing.app, name="air")
app.add_typer(devices.app, name="devices")
app.add_typer(evaluating.app, name="evaluate")
app.add_typer(rooms.app, name="calibrate")
app.add_typer(ingesting.app, name="ingest")
app.add_typer(provisioning.app, name="provision")
app.command()(provisioning.enrol)
app.add_typer(storing.app, name="store")


def main() -> None:
    """Entry point of the ``wardlight`` command."""
    try:
        app()
    except* BrokenPipeError:
        # Whoever read us (``| head``) has enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except* KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
