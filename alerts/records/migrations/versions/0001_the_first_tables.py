"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "homes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("config_revision", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("siren_volume", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_homes")),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_cases_home")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index(
            "uq_cases_open",
            ["home", "resident"],
            unique=True,
            sqlite_where=sa.text("closed_at_us IS NULL"),
            postgresql_where=sa.text("closed_at_us IS NULL"),
        )

    op.create_table(
        "faults",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=48), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=True),
        sa.Column("resident", sa.String(length=64), nullable=True),
        sa.Column("gateway", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at_us", sa.BigInteger(), nullable=True),
        sa.Column("cleared_session", sa.Text(), nullable=True),
        sa.Column("cleared_sequence", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_faults_home")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faults")),
    )
    with op.batch_alter_table("faults", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_faults_home_cause_subject"), ["home", "cause", "subject"], unique=False
        )
        batch_op.create_index(
            "uq_faults_open",
            ["home", "cause", "subject"],
            unique=True,
            sqlite_where=sa.text("cleared_at_us IS NULL"),
            postgresql_where=sa.text("cleared_at_us IS NULL"),
        )

    op.create_table(
        "gateways",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_gateways_home")),
        sa.PrimaryKeyConstraint("home", "name", name=op.f("pk_gateways")),
    )
    op.create_table(
        "received_events",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("gateway", sa.String(length=64), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_received_events_home")),
        sa.PrimaryKeyConstraint("home", "id", name=op.f("pk_received_events")),
    )
    with op.batch_alter_table("received_events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_received_events_home_answers"), ["home", "answers"], unique=False
        )

    op.create_table(
        "residents",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("bed", sa.String(length=64), nullable=False),
        sa.Column("floor", sa.String(length=32), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.Column("last_heard_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_residents_home")),
        sa.PrimaryKeyConstraint("home", "id", name=op.f("pk_residents")),
    )
    op.create_table(
        "services",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=48), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("heard_at_us", sa.BigInteger(), nullable=True),
        sa.Column("beds", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_services_home")),
        sa.PrimaryKeyConstraint("home", "name", name=op.f("pk_services")),
    )
    op.create_table(
        "staff",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=48), nullable=False),
        sa.Column("floor", sa.String(length=32), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("on_duty", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_staff_home")),
        sa.PrimaryKeyConstraint("home", "id", name=op.f("pk_staff")),
    )
    op.create_table(
        "assignments",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["home", "resident"],
            ["residents.home", "residents.id"],
            name=op.f("fk_assignments_home_resident"),
        ),
        sa.ForeignKeyConstraint(
            ["home", "staff"], ["staff.home", "staff.id"], name=op.f("fk_assignments_home_staff")
        ),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_assignments_home")),
        sa.PrimaryKeyConstraint("home", "staff", "resident", name=op.f("pk_assignments")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=48), nullable=False),
        sa.Column("priority", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("family", sa.String(length=48), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=True),
        sa.Column("device", sa.String(length=64), nullable=True),
        sa.Column("bed", sa.String(length=64), nullable=True),
        sa.Column("floor", sa.String(length=32), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.Column("zone_heard_at_us", sa.BigInteger(), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("last_event_at_us", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at_us", sa.BigInteger(), nullable=True),
        sa.Column("paged_at_us", sa.BigInteger(), nullable=True),
        sa.Column("raised_at_us", sa.BigInteger(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("first_step", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at_us", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=True),
        sa.Column("arrived_at_us", sa.BigInteger(), nullable=True),
        sa.Column("arrived_by", sa.String(length=64), nullable=True),
        sa.Column("resolved_at_us", sa.BigInteger(), nullable=True),
        sa.Column("settled_at_us", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=48), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_incidents_case_id")),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_incidents_home")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_incidents_home_resolved_at_us"), ["home", "resolved_at_us"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_incidents_home_state"), ["home", "state"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_incidents_home_subject_family"),
            ["home", "subject", "family"],
            unique=False,
        )

    op.create_table(
        "wearables",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=17), nullable=False),
        sa.Column("identity", sa.BigInteger(), nullable=False),
        sa.Column("resident", sa.String(length=64), nullable=True),
        sa.Column("placement", sa.String(length=32), nullable=False),
        sa.Column("streaming", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["home", "resident"],
            ["residents.home", "residents.id"],
            name=op.f("fk_wearables_home_resident"),
        ),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_wearables_home")),
        sa.PrimaryKeyConstraint("home", "device", name=op.f("pk_wearables")),
    )
    op.create_table(
        "escalation_steps",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=48), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("next_at_us", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until_us", sa.BigInteger(), nullable=True),
        sa.Column("done_at_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=48), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_escalation_steps_home")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_escalation_steps_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation_steps")),
    )
    with op.batch_alter_table("escalation_steps", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_escalation_steps_incident_id"), ["incident_id"], unique=False
        )
        batch_op.create_index(
            "ix_escalation_steps_pending",
            ["home", "next_at_us"],
            unique=False,
            sqlite_where=sa.text("done_at_us IS NULL"),
            postgresql_where=sa.text("done_at_us IS NULL"),
        )

    op.create_table(
        "incident_events",
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("fall", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("after_answer", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_incident_events_home")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_events_incident_id")
        ),
        sa.PrimaryKeyConstraint("home", "event", name=op.f("pk_incident_events")),
    )
    with op.batch_alter_table("incident_events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_incident_events_home_fall"), ["home", "fall"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_incident_events_home_key"), ["home", "key"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_incident_events_incident_id"), ["incident_id"], unique=False
        )

    op.create_table(
        "incident_log",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=48), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_incident_log_home")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_log_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_log")),
    )
    with op.batch_alter_table("incident_log", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_incident_log_incident_id"), ["incident_id"], unique=False
        )

    op.create_table(
        "notifications",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("home", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("step_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=48), nullable=False),
        sa.Column("begun_at_us", sa.BigInteger(), nullable=False),
        sa.Column("sent_at_us", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=48), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["home"], ["homes.name"], name=op.f("fk_notifications_home")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_notifications_incident_id")
        ),
        sa.ForeignKeyConstraint(
            ["step_id"], ["escalation_steps.id"], name=op.f("fk_notifications_step_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notifications_incident_id"), ["incident_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_notifications_step_id"), ["step_id"], unique=False)


def downgrade() -> None:
    for table in (
        "notifications",
        "incident_log",
        "incident_events",
        "escalation_steps",
        "wearables",
        "incidents",
        "assignments",
        "staff",
        "services",
        "residents",
        "received_events",
        "gateways",
        "faults",
        "cases",
        "homes",
    ):
        op.drop_table(table)
