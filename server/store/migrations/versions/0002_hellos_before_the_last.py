"""The nonces of the hellos before the last: receipts go out under these too"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reader_state", sa.Column("hello_before", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("reader_state", "hello_before")
