"""Several workers of the alert service: who lives, and who speaks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_workers",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("well", sa.Boolean(), nullable=False),
        sa.Column("speaks", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_alert_workers_home")),
        sa.PrimaryKeyConstraint("home", "run", name=op.f("pk_alert_workers")),
    )


def downgrade() -> None:
    op.drop_table("alert_workers")
