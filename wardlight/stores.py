"""The home's time-series store and its read side, as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wardlight.settings import InfluxSettings, Settings, SettingsError

if TYPE_CHECKING:
    from ingest import ReadSide, SqliteStore
    from ingest.store.influx import InfluxStore
    from ingest.store.influx_server import Access, InfluxServer
    from ingest.store.influx_write import LineSink
    from ingest.store.retention import Keeping


def open_store(settings: Settings) -> SqliteStore | InfluxStore:
    """The store that ingest writes; nothing is touched before its first use.

    Raises
    ------
    SettingsError
        If a secret cannot be read, the address cannot be used, or a library is missing.
    """
    from ingest import SqliteStore

    if settings.ingest.kind == "sqlite":
        return SqliteStore.open(settings.ingest.store, keeping_of(settings))
    from ingest.store.influx import InfluxStore
    from ingest.store.journal import Journal
    from ingest.store.ledger import Ledger
    from ingest.store.retention import InfluxRollUp

    influx, home = settings.ingest.influx, settings.home.id
    ledger = Ledger(settings.ingest.store)
    databases = databases_of(influx)
    raw, minutes, hours = (open_sink(influx, database) for database in databases)
    return InfluxStore(
        home,
        ledger,
        raw,
        lambda: open_reader(settings),
        journal=None if influx.durable else Journal(ledger, influx.journal_s),
        roll_up=InfluxRollUp(
            home, open_server(influx), databases, (minutes, hours), keeping_of(settings)
        ),
        keeping=keeping_of(settings),
    )


def open_reader(settings: Settings) -> ReadSide:
    """The read side; nothing is touched before the first question.

    Raises
    ------
    SettingsError
        If a secret cannot be read, or the address cannot be used.
    """
    if settings.ingest.kind == "sqlite":
        from ingest import StoreReader

        return StoreReader(settings.ingest.store)
    from ingest.store.influx_reader import InfluxReader

    influx = settings.ingest.influx
    return InfluxReader(open_server(influx), settings.home.id, influx.database)


def keeping_of(settings: Settings) -> Keeping:
    """How long what is kept."""
    from ingest.store.retention import Keeping

    return Keeping(settings.ingest.raw_days, settings.ingest.minute_days)


def databases_of(influx: InfluxSettings) -> tuple[str, str, str]:
    """Where seconds and events, minutes, and hours are."""
    return influx.database, f"{influx.database}-minutes", f"{influx.database}-hours"


def open_server(influx: InfluxSettings) -> InfluxServer:
    """The server, to ask."""
    from ingest.store.influx_server import InfluxServer

    policy = influx.retention_policy
    policies = {} if policy is None else {influx.database: policy}
    try:
        return InfluxServer(_access(influx), policies=policies)
    except (ValueError, OSError) as error:
        raise SettingsError(f"[ingest.influx]: {error}") from error


def open_sink(influx: InfluxSettings, database: str) -> LineSink:
    """One database or bucket, to write."""
    from ingest.store.influx_write import WriteV1, WriteV2

    if influx.api == "1":
        policy = influx.retention_policy if database == influx.database else None
        return WriteV1(open_server(influx), database, policy)
    try:
        return WriteV2(_access(influx), influx.org, database)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"[ingest.influx]: {error.name} is not installed: pip install 'wardlight[influx]'"
        ) from error


def _access(influx: InfluxSettings) -> Access:
    from ingest.store.influx_server import Access

    return Access(
        influx.url,
        influx.username,
        _secret(influx.password_file, "password_file"),
        _secret(influx.token_file, "token_file"),
        influx.ca_file,
    )


def _secret(path: Path | None, name: str) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"[ingest.influx]: {name}: {path}: {error.strerror}") from error
