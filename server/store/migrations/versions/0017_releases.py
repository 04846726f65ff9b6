"""Releases that the store carries, the keys that may sign them, and how far each roll-out is"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring them in."""
    op.create_table(
        "release_key",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("modulus", sa.Text(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_release_key_institution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_key")),
        sa.UniqueConstraint("institution_id", "number", name=op.f("uq_release_key_institution_id_number")),
    )
    op.create_table(
        "firmware_release",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("board", sa.String(length=8), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.Column("built_ms", sa.BigInteger(), nullable=False),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(length=16), nullable=False),
        sa.Column("head", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("pack", sa.LargeBinary(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_account_id", number, nullable=True),
        sa.ForeignKeyConstraint(["by_account_id"], ["account.id"], name=op.f("fk_firmware_release_by_account_id")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_firmware_release_institution_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_release")),
        sa.UniqueConstraint("institution_id", "tag", name=op.f("uq_firmware_release_institution_id_tag")),
        sa.UniqueConstraint(
            "institution_id", "board", "counter", name=op.f("uq_firmware_release_institution_id_board_counter")
        ),
        sa.UniqueConstraint(
            "institution_id", "board", "version", name=op.f("uq_firmware_release_institution_id_board_version")
        ),
    )
    op.create_table(
        "rollout",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("release_id", number, nullable=False),
        sa.Column("percents", sa.String(length=32), nullable=False),
        sa.Column("soak_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("over_ms", sa.BigInteger(), nullable=True),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("by_account_id", number, nullable=True),
        sa.ForeignKeyConstraint(["by_account_id"], ["account.id"], name=op.f("fk_rollout_by_account_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_rollout_institution_id")),
        sa.ForeignKeyConstraint(["release_id"], ["firmware_release.id"], name=op.f("fk_rollout_release_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout")),
    )
    op.create_index(
        "ix_rollout_running",
        "rollout",
        ["institution_id"],
        unique=False,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "rollout_reader",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("rollout_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("have", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("until", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=True),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("was_well", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("excused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_rollout_reader_institution_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_rollout_reader_reader_id")),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollout.id"], name=op.f("fk_rollout_reader_rollout_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_reader")),
        sa.UniqueConstraint("rollout_id", "reader_id", name=op.f("uq_rollout_reader_rollout_id_reader_id")),
    )
    op.create_index(op.f("ix_rollout_reader_reader_id"), "rollout_reader", ["reader_id"], unique=False)
    op.create_index(
        "ix_rollout_reader_busy",
        "rollout_reader",
        ["institution_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('asked', 'taking')"),
        postgresql_where=sa.text("state IN ('asked', 'taking')"),
    )


def downgrade() -> None:
    """Take them out."""
    op.drop_table("rollout_reader")
    op.drop_table("rollout")
    op.drop_table("firmware_release")
    op.drop_table("release_key")
