"""``wardlight store``: where a home's measures are, and moving them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Annotated, Any, NoReturn

import typer

from contract.clock import SystemClock
from contract.protocols import StoreUnavailableError
from wardlight.options import ConfigOption, refuse, settings_of
from wardlight.settings import Settings, SettingsError

app = typer.Typer(
    help="Where a home's measures are kept, and moving them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say where measures go, whether that answers, and what waits.

    Exit status 1: the store cannot be read.
    """
    settings = settings_of(config, "warning")
    found = _examine(settings)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for name, value in found.items():
            if value is not None:
                typer.echo(f"{name.replace('_', ' ')}: {value}")
    raise typer.Exit(0 if found["fault"] is None else 1)


@app.command()
def prepare(config: ConfigOption = None) -> None:
    """Make the databases in InfluxDB 1.x, with how long each is kept.

    Needs a user that may. In 2.x and 3.x buckets are made with their own tools: docs/data.md.
    """
    from ingest.store.influx_server import named
    from ingest.store.retention import SLACK_DAYS
    from wardlight.stores import databases_of, open_server

    settings = settings_of(config, "warning")
    influx, ingest = settings.ingest.influx, settings.ingest
    if influx.api != "1":
        refuse("[ingest.influx] api = '2': make the buckets as docs/data.md says")
    kept = (f"{ingest.raw_days + SLACK_DAYS}d", f"{ingest.minute_days + SLACK_DAYS}d", "INF")
    try:
        with closing(open_server(influx)) as server:
            for database, duration in zip(databases_of(influx), kept, strict=True):
                server.tell(f"CREATE DATABASE {named(database)}")
                server.tell(
                    f'ALTER RETENTION POLICY "autogen" ON {named(database)} DURATION {duration}'
                )
                typer.echo(f"{database}: kept for {duration}")
    except (StoreUnavailableError, SettingsError) as error:
        _fail(str(error))


@app.command()
def migrate(
    source: Annotated[str, typer.Argument(help="Where from: sqlite.")],
    target: Annotated[str, typer.Argument(help="Where to: influx.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a home's measures and events; ingest may run, and it may be run again.

    First with kind = "sqlite"; then set kind = "influx", restart ingest, and run it once more:
    docs/data.md. Exit status 1: not all of it is there; 2: it cannot be done.
    """
    from ingest.store.ledger import Ledger
    from ingest.store.moving import Move
    from wardlight.stores import databases_of, open_server, open_sink

    if (source, target) != ("sqlite", "influx"):
        refuse(
            "only sqlite can be moved, and only to influx: wardlight store migrate sqlite influx"
        )
    settings = settings_of(config, "warning")
    influx, path = settings.ingest.influx, settings.ingest.store
    if not path.exists():
        refuse(f"there is no store at {path.absolute()}")

    def say(table: str, rows: int) -> None:
        if not as_json:
            typer.echo(f"{table}: {rows} rows")

    ledger = Ledger(path)
    try:
        raw, minutes, hours = (open_sink(influx, name) for name in databases_of(influx))
        with closing(open_server(influx)) as server, closing(raw), closing(minutes), closing(hours):
            move = Move(settings.home.id, ledger, (raw, minutes, hours), SystemClock())
            moved = move.run(server, influx.database, say)
    except (StoreUnavailableError, SettingsError) as error:
        _fail(f"{error}\nNothing is lost: run it again to go on.")
    finally:
        ledger.drop_connection()
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "rows": moved.rows,
                    "refused": moved.refused,
                    "missing": [each._asdict() for each in moved.missing],
                }
            )
        )
    else:
        for reason in moved.refused:
            typer.echo(f"refused: {reason}", err=True)
        for day in moved.missing:
            typer.echo(f"{day.day_us}: {day.found} of {day.copied} points are there", err=True)
        if not (moved.refused or moved.missing):
            typer.echo("All of it is there, day by day.")
    raise typer.Exit(1 if moved.refused or moved.missing else 0)


def _examine(settings: Settings) -> dict[str, Any]:
    from wardlight.stores import open_reader

    ingest, path = settings.ingest, settings.ingest.store
    is_influx = ingest.kind == "influx"
    found: dict[str, Any] = {
        "kind": ingest.kind,
        "where": ingest.influx.url if is_influx else str(path.absolute()),
        "durable": ingest.influx.durable if is_influx else True,
        "ledger": str(path.absolute()),
        "ledger_bytes": path.stat().st_size if path.exists() else None,
        "written_at_us": None,
        "wearables": None,
        "dead_letters": None,
        "journal_writes": None,
        "fault": None,
    }
    try:
        with closing(open_reader(settings)) as reader:
            found["written_at_us"] = reader.written_at_us()
        if path.exists():
            address = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                for name, table in (
                    ("wearables", "wearable"),
                    ("dead_letters", "dead_letter"),
                    ("journal_writes", "journal"),
                ):
                    question = f"SELECT count(*) FROM {table}"  # noqa: S608 - constants
                    found[name] = connection.execute(question).fetchone()[0]
    except (StoreUnavailableError, sqlite3.Error, SettingsError) as error:
        found["fault"] = str(error)
    return found


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
