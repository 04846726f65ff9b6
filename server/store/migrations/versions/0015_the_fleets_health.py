"""Outages of readers and of the line, kept as facts; how far the store has looked; alerts, what went out about them; commands"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _mine(*columns: sa.Column) -> tuple:
    """A row's own number, and whose it is."""
    return (
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("institution_id", ID, sa.ForeignKey("institution.id"), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id"),
    )


def upgrade() -> None:
    op.create_table(
        "reader_outage",
        *_mine(
            sa.Column("reader_id", ID, sa.ForeignKey("reader.id"), nullable=True),
            sa.Column("kind", sa.String(16), nullable=False),
            sa.Column("from_ms", sa.BigInteger(), nullable=False),
            sa.Column("to_ms", sa.BigInteger(), nullable=True),
            sa.Column("noted_ms", sa.BigInteger(), nullable=False),
        ),
        sa.UniqueConstraint("reader_id", "kind", "from_ms"),
    )
    op.create_index("ix_reader_outage_from", "reader_outage", ["institution_id", "from_ms"])
    op.create_table(
        "fleet_watch",
        sa.Column("institution_id", ID, sa.ForeignKey("institution.id"), autoincrement=False, nullable=False),
        sa.Column("looked_ms", sa.BigInteger(), nullable=False),
        sa.Column("head_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("institution_id"),
    )
    op.create_table(
        "fleet_alert",
        *_mine(
            sa.Column("reader_id", ID, sa.ForeignKey("reader.id"), nullable=True),
            sa.Column("rule", sa.String(32), nullable=False),
            sa.Column("subject", sa.String(128), nullable=False),
            sa.Column("text", sa.Text(), nullable=False),
            sa.Column("raised_ms", sa.BigInteger(), nullable=False),
            sa.Column("cleared_ms", sa.BigInteger(), nullable=True),
        ),
    )
    op.create_index("ix_fleet_alert_reader_id", "fleet_alert", ["reader_id"])
    op.create_index("ix_fleet_alert_open", "fleet_alert", ["institution_id", "cleared_ms"])
    op.create_table(
        "fleet_notice",
        *_mine(
            sa.Column("channel", sa.String(8), nullable=False),
            sa.Column("subject", sa.Text(), nullable=False),
            sa.Column("body", sa.Text(), nullable=False),
            sa.Column("created_ms", sa.BigInteger(), nullable=False),
            sa.Column("next_ms", sa.BigInteger(), nullable=False),
            sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
            sa.Column("code", sa.String(32), nullable=True),
            sa.Column("sent_ms", sa.BigInteger(), nullable=True),
            sa.Column("failed_ms", sa.BigInteger(), nullable=True),
        ),
    )
    op.create_index("ix_fleet_notice_unsent", "fleet_notice", ["sent_ms", "failed_ms", "next_ms"])
    op.create_table(
        "reader_command",
        *_mine(
            sa.Column("reader_id", ID, sa.ForeignKey("reader.id"), nullable=False),
            sa.Column("counter", sa.BigInteger(), nullable=False),
            sa.Column("name", sa.String(16), nullable=False),
            sa.Column("by_account_id", ID, sa.ForeignKey("account.id"), nullable=True),
            sa.Column("sent_ms", sa.BigInteger(), nullable=True),
            sa.Column("done_ms", sa.BigInteger(), nullable=True),
            sa.Column("found", sa.Text(), nullable=True),
        ),
        sa.UniqueConstraint("reader_id", "counter"),
    )
    op.create_index("ix_reader_command_reader_id", "reader_command", ["reader_id"])
    op.create_index(
        "ix_reader_command_waiting",
        "reader_command",
        ["institution_id"],
        sqlite_where=sa.text("sent_ms IS NULL"),
        postgresql_where=sa.text("sent_ms IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("reader_command")
    op.drop_table("fleet_notice")
    op.drop_table("fleet_alert")
    op.drop_table("fleet_watch")
    op.drop_table("reader_outage")
