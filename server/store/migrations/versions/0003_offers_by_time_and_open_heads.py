"""When a hole was last offered; and an index of the heads that are not covered yet"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("offered_ms", sa.BigInteger(), nullable=True))
    open_heads = sa.text("held_ms IS NULL")
    op.create_index("ix_head_open", "head", ["reader_id"], sqlite_where=open_heads, postgresql_where=open_heads)


def downgrade() -> None:
    op.drop_index("ix_head_open", "head")
    op.drop_column("journal", "offered_ms")
