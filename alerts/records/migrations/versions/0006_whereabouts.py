"""The plan of the home, what is asked for each resident's whereabouts, where each was last"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _home(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f(f"fk_{table}_home"))


def _resident(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["home", "resident"],
        ["residents.home", "residents.id"],
        name=op.f(f"fk_{table}_home_resident"),
    )


def upgrade() -> None:
    op.add_column("homes", sa.Column("rooms", sa.Text(), nullable=True))
    op.add_column(
        "wearables",
        sa.Column("is_carer", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "incident_events",
        sa.Column("excused", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("incident_events", sa.Column("features", sa.JSON(), nullable=True))
    op.create_table(
        "zones",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("use", sa.String(length=48), nullable=False),
        sa.Column("next_to", sa.JSON(), nullable=False),
        sa.Column("floor", sa.String(length=32), nullable=True),
        _home("zones"),
        sa.PrimaryKeyConstraint("home", "id", name=op.f("pk_zones")),
    )
    op.create_table(
        "whereabouts_choices",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("at_risk", sa.Boolean(), nullable=False),
        sa.Column("safe_zones", sa.JSON(), nullable=False),
        sa.Column("bed_exit", sa.Boolean(), nullable=False),
        sa.Column("night_wandering", sa.Boolean(), nullable=False),
        sa.Column("not_returned_minutes", sa.Integer(), nullable=False),
        sa.Column("inactive", sa.Boolean(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=True),
        _home("whereabouts_choices"),
        _resident("whereabouts_choices"),
        sa.PrimaryKeyConstraint("home", "resident", name=op.f("pk_whereabouts_choices")),
    )
    op.create_table(
        "whereabouts_log",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("choice", sa.JSON(), nullable=False),
        _home("whereabouts_log"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_whereabouts_log")),
    )
    op.create_index(
        op.f("ix_whereabouts_log_home_resident"), "whereabouts_log", ["home", "resident"]
    )
    op.create_table(
        "last_places",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=False),
        _home("last_places"),
        _resident("last_places"),
        sa.PrimaryKeyConstraint("home", "resident", name=op.f("pk_last_places")),
    )


def downgrade() -> None:
    for table in ("last_places", "whereabouts_log", "whereabouts_choices", "zones"):
        op.drop_table(table)
    op.drop_column("incident_events", "features")
    op.drop_column("incident_events", "excused")
    op.drop_column("wearables", "is_carer")
    op.drop_column("homes", "rooms")
