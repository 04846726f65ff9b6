"""How far a kiosk's event may have been from its time; and an index of an institution's check-ins by time"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL: as the kiosk itself says.
    op.add_column("kiosk_event", sa.Column("unsure_ms", sa.BigInteger(), nullable=True))
    op.create_index("ix_check_in_reading_at", "check_in_reading", ["institution_id", "at_ms"])


def downgrade() -> None:
    op.drop_index("ix_check_in_reading_at", "check_in_reading")
    op.drop_column("kiosk_event", "unsure_ms")
