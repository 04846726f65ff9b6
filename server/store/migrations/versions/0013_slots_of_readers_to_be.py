"""Slots: readers to be, with the one-time token by which a board becomes one"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "slot",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_name", sa.String(length=32), nullable=False),
        sa.Column("site_name", sa.String(length=32), nullable=False),
        sa.Column("room_id", number, nullable=False),
        sa.Column("replaces_id", number, nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_by_account_id", number, nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("claimed_ms", sa.BigInteger(), nullable=True),
        sa.Column("board", sa.String(length=64), nullable=True),
        sa.Column("reader_id", number, nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_slot_institution_id")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_slot_room_id")),
        sa.ForeignKeyConstraint(["replaces_id"], ["reader.id"], name=op.f("fk_slot_replaces_id")),
        sa.ForeignKeyConstraint(["made_by_account_id"], ["account.id"], name=op.f("fk_slot_made_by_account_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_slot_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_slot_token_hash")),
    )
    op.create_index(op.f("ix_slot_reader_name"), "slot", ["reader_name"])
    op.create_index("ix_slot_made", "slot", ["institution_id", "made_ms"])


def downgrade() -> None:
    op.drop_table("slot")
