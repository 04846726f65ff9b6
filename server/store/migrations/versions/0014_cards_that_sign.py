"""Cards that sign: the institution's secret, each such card's own key, and what a card said at a swipe"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whose() -> sa.Column:
    return sa.Column("institution_id", ID, sa.ForeignKey("institution.id"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "signing_key",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        _whose(),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("institution_id"),
    )
    op.create_table(
        "card_signer",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        _whose(),
        sa.Column("card_id", ID, sa.ForeignKey("card.id"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("card_id"),
    )
    op.create_table(
        "swipe_message",
        sa.Column("swipe_id", ID, sa.ForeignKey("swipe.id"), autoincrement=False, nullable=False),
        _whose(),
        sa.Column("counter", sa.Integer(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.Column("genuine", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("swipe_id"),
    )


def downgrade() -> None:
    op.drop_table("swipe_message")
    op.drop_table("card_signer")
    op.drop_table("signing_key")
