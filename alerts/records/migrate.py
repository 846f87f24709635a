"""Bringing a database to the newest revision, with Alembic, from inside the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

MIGRATIONS: Final = Path(__file__).with_name("migrations")

_UPGRADE_LOCK: Final = 0x5741_5244
"""Any number that every process of ours agrees on ("WARD")."""


def configuration() -> Config:
    """Alembic's settings; there is no ini file to lose."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def is_current(engine: Engine) -> bool:
    """Whether this database has seen every migration, and none that we do not know."""
    wanted = ScriptDirectory.from_config(configuration()).get_heads()
    with engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == set(wanted)


def upgrade(engine: Engine) -> None:
    """Run every migration that this database has not seen, in one transaction.

    Two processes may do so at once: the second waits and finds nothing left to do. SQLite's
    foreign keys are off meanwhile, because changing a table there means copying and dropping
    it, and are checked before the commit.

    Raises
    ------
    RuntimeError
        If a migration left rows that point at nothing; nothing is changed then.
    """
    config = configuration()
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None, "a connection that was just opened has a driver behind it"
        if sqlite:
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.execution_options(wardlight_writing=True).begin():
                if not sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                broken = (
                    connection.exec_driver_sql("PRAGMA foreign_key_check").all() if sqlite else []
                )
                if broken:
                    raise RuntimeError(f"a migration broke {len(broken)} references: {broken[:3]}")
        finally:
            if sqlite:
                raw.execute("PRAGMA foreign_keys=ON")
