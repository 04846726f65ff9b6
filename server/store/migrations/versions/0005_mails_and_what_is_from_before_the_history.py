"""Mails on their way; and which marks are from before there was a history (LOUGH-39)"""

import time

import sqlalchemy as sa
from alembic import op

from server.store import history_start

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "history_start",
        sa.Column("institution_id", number, autoincrement=False, nullable=False),
        sa.Column("mark_id", number, nullable=False),
        sa.Column("marks", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_history_start_institution_id")),
        sa.PrimaryKeyConstraint("institution_id", name=op.f("pk_history_start")),
    )
    op.create_table(
        "mail",
        sa.Column("message_id", number, autoincrement=False, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.Column("reply", sa.Integer(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_mail_institution_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_mail_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_mail")),
        sa.UniqueConstraint("name", name=op.f("uq_mail_name")),
    )
    op.create_index("ix_mail_next", "mail", ["state", "next_ms"])
    connection = op.get_bind()
    for (one,) in connection.execute(sa.text("select id from institution order by id")).all():
        history_start.note(connection, one, int(time.time() * 1000))


def downgrade() -> None:
    op.drop_table("mail")
    op.drop_table("history_start")
