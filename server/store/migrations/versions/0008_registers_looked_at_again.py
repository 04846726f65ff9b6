"""From when on the registers of a reader's doors are to be looked at again"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reader_state", sa.Column("again_from_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("reader_state", "again_from_ms")
