"""From whom and when a card's token was learnt: what a stolen reader taught is taken back (docs/trust.md)"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("card_token") as batch:
        batch.add_column(sa.Column("learnt_ms", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("learnt_from_id", number, nullable=True))
        batch.create_foreign_key(op.f("fk_card_token_learnt_from_id"), "reader", ["learnt_from_id"], ["id"])
        batch.create_index(op.f("ix_card_token_learnt_from_id"), ["learnt_from_id"])
