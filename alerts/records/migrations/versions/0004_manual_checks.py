"""Beds without cover and who looked after them when; what the downtime sheet prints"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "manual_checks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("floor", sa.String(length=32), nullable=False),
        sa.Column("cause", sa.String(length=48), nullable=False),
        sa.Column("beds", sa.JSON(), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("due_at_us", sa.BigInteger(), nullable=False),
        sa.Column("next_at_us", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until_us", sa.BigInteger(), nullable=True),
        sa.Column("raised", sa.Integer(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("checked_at_us", sa.BigInteger(), nullable=True),
        sa.Column("checked_by", sa.String(length=64), nullable=True),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_manual_checks_home")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manual_checks")),
    )
    op.create_index(
        "uq_manual_checks_open",
        "manual_checks",
        ["home", "floor", "cause"],
        unique=True,
        sqlite_where=sa.text("ended_at_us IS NULL"),
        postgresql_where=sa.text("ended_at_us IS NULL"),
    )
    op.create_index(
        op.f("ix_manual_checks_home_ended_at_us"), "manual_checks", ["home", "ended_at_us"]
    )
    op.create_table(
        "manual_check_log",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("check_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=48), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_id"], ["manual_checks.id"], name=op.f("fk_manual_check_log_check_id")
        ),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_manual_check_log_home")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manual_check_log")),
    )
    op.create_index(op.f("ix_manual_check_log_check_id"), "manual_check_log", ["check_id"])

    op.add_column("residents", sa.Column("plan", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "residents", sa.Column("contacts", sa.JSON(), nullable=False, server_default="[]")
    )
    op.add_column("staff", sa.Column("phone", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("staff", "phone")
    op.drop_column("residents", "contacts")
    op.drop_column("residents", "plan")
    op.drop_table("manual_check_log")
    op.drop_table("manual_checks")
