"""Other people's wearables, room sensors, receivers; absences; what is unusual for a resident"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NEW_OF_WEARABLES = ("kind", "key", "zone", "enrolled_at_us", "retired_at_us", "said")


def _home(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f(f"fk_{table}_home"))


def _resident(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["home", "resident"],
        ["residents.home", "residents.id"],
        name=op.f(f"fk_{table}_home_resident"),
    )


def upgrade() -> None:
    op.add_column(
        "wearables",
        sa.Column("kind", sa.String(length=48), nullable=False, server_default="wardlight"),
    )
    op.add_column("wearables", sa.Column("key", sa.String(length=32), nullable=True))
    op.add_column("wearables", sa.Column("zone", sa.String(length=64), nullable=True))
    op.add_column("wearables", sa.Column("enrolled_at_us", sa.BigInteger(), nullable=True))
    op.add_column("wearables", sa.Column("retired_at_us", sa.BigInteger(), nullable=True))
    op.add_column("wearables", sa.Column("said", sa.JSON(), nullable=True))
    op.add_column("gateways", sa.Column("floor", sa.String(length=32), nullable=True))
    op.create_table(
        "sensors",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=17), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=True),
        sa.Column("enrolled_at_us", sa.BigInteger(), nullable=True),
        sa.Column("retired_at_us", sa.BigInteger(), nullable=True),
        sa.Column("said", sa.JSON(), nullable=True),
        _home("sensors"),
        _resident("sensors"),
        sa.PrimaryKeyConstraint("home", "device", name=op.f("pk_sensors")),
    )
    op.create_table(
        "receivers",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        _home("receivers"),
        sa.PrimaryKeyConstraint("home", "name", name=op.f("pk_receivers")),
    )
    op.create_table(
        "vital_policies",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("pages", sa.Boolean(), nullable=False),
        sa.Column("clinician", sa.String(length=200), nullable=True),
        sa.Column("high_bpm", sa.Integer(), nullable=True),
        sa.Column("low_bpm", sa.Integer(), nullable=True),
        sa.Column("persistence_s", sa.Integer(), nullable=True),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        _home("vital_policies"),
        _resident("vital_policies"),
        sa.PrimaryKeyConstraint("home", "resident", name=op.f("pk_vital_policies")),
    )
    op.create_table(
        "device_log",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=48), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=True),
        _home("device_log"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_log")),
    )
    op.create_index(op.f("ix_device_log_home_device"), "device_log", ["home", "device"])
    _create_absences()


def _create_absences() -> None:
    op.create_table(
        "absences",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        _home("absences"),
        _resident("absences"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
    )
    op.create_index(
        "uq_absences_open",
        "absences",
        ["home", "resident"],
        unique=True,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
    op.create_table(
        "absence_log",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("absence_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=48), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=True),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        _home("absence_log"),
        sa.ForeignKeyConstraint(
            ["absence_id"], ["absences.id"], name=op.f("fk_absence_log_absence_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absence_log")),
    )
    op.create_index(op.f("ix_absence_log_absence_id"), "absence_log", ["absence_id"])


def downgrade() -> None:
    for table in (
        "absence_log",
        "absences",
        "device_log",
        "vital_policies",
        "receivers",
        "sensors",
    ):
        op.drop_table(table)
    op.drop_column("gateways", "floor")
    for column in reversed(NEW_OF_WEARABLES):
        op.drop_column("wearables", column)
