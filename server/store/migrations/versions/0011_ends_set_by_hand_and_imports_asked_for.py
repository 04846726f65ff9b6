"""Until when a profile holds by its own end; imports that were asked for; whether an absence went to a faculty"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("profile_assignment", sa.Column("own_to_ms", sa.BigInteger(), nullable=True))
    op.add_column("absence", sa.Column("by_faculty", sa.Boolean(), nullable=True))
    op.add_column("import_schedule", sa.Column("asked_ms", sa.BigInteger(), nullable=True))
    op.add_column("import_schedule", sa.Column("asked_confirm", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("import_schedule", "asked_confirm")
    op.drop_column("import_schedule", "asked_ms")
    op.drop_column("absence", "by_faculty")
    op.drop_column("profile_assignment", "own_to_ms")
