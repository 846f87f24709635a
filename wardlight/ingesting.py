"""``wardlight ingest``: the service, and what it refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from wardlight.options import ConfigOption, LogOption, refuse, settings_of

if TYPE_CHECKING:
    from ingest import Replayed
    from wardlight.settings import Settings

app = typer.Typer(
    help="Run the ingest service: from the broker into the store.", pretty_exceptions_enable=False
)

NOT_ALL: Final = 1


@app.callback(invoke_without_command=True)
def ingest(
    context: typer.Context,
    config: ConfigOption = None,
    log: LogOption = "info",
) -> None:
    """Run the ingest service: from the broker into the store.

    Any number may run on one machine: they share the messages out among them, where the broker
    can do that, and the store's file.
    """
    if context.invoked_subcommand is not None:
        return
    settings = settings_of(config, log)
    from wardlight import services

    raise typer.Exit(services.run_until_stopped(services.run_ingest, settings))


@app.command()
def dead(
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Of the newest, show so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each.")] = False,
) -> None:
    """List what was refused, newest first, with the reasons."""
    settings = settings_of(config, "warning")
    from contract.protocols import StoreUnavailableError
    from ingest import StoreReader
    from wardlight.reports import dead_letter

    reader = StoreReader(settings.ingest.store)
    try:
        letters = reader.dead_letters(limit)
    except StoreUnavailableError as error:
        refuse(str(error))
    finally:
        reader.close()
    for letter in letters:
        typer.echo(dead_letter(letter, as_json=as_json))
    if not letters and not as_json:
        typer.echo("Nothing was refused.")


@app.command("replay-dead")
def replay_dead(
    config: ConfigOption = None,
    reason: Annotated[
        str, typer.Option(help="Only what was refused with these words in the reason.")
    ] = "",
    dry_run: Annotated[bool, typer.Option(help="Say what could be read; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """Try again what was refused, after an update or a setting put right.

    The service may be running. Exit status 1: some is still refused, and stays; 2: the store
    cannot be used.
    """
    import asyncio

    settings = settings_of(config, "warning")
    from contract.protocols import StoreUnavailableError
    from wardlight.reports import replayed_report
    from wardlight.settings import SettingsError

    try:
        replayed = asyncio.run(_replay(settings, reason, dry_run=dry_run))
    except (StoreUnavailableError, SettingsError) as error:
        refuse(str(error))
    typer.echo(replayed_report(replayed, is_trial=dry_run, as_json=as_json))
    raise typer.Exit(NOT_ALL if replayed.refused or replayed.truncated else 0)


async def _replay(settings: Settings, reason: str, *, dry_run: bool) -> Replayed:
    from ingest import replay_dead as replay
    from wardlight.services import clock_of
    from wardlight.stores import open_store

    path = settings.ingest.store
    if not path.exists():
        refuse(f"{path} does not exist: ingest has not run with these settings")
    store = open_store(settings)
    try:
        return await replay(
            store.ledger,
            store,
            clock_of(settings),
            settings.home.id,
            containing=reason,
            is_trial=dry_run,
        )
    finally:
        await store.close()
