"""People stand in lists by the letters of their names: what they were ordered by kept accents, spaces and signs"""

import sqlalchemy as sa
from alembic import op

from server import names

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    named = sa.table(
        "person_name", *(sa.column(one) for one in ("person_id", "given_name", "family_name", "sort_name"))
    )
    connection = op.get_bind()
    changed = []
    for row in connection.execute(sa.select(named)).all():
        if row.family_name or row.given_name:
            wanted = names.sort_name(row.family_name or "", row.given_name or "")
        else:
            # Only a full name is kept, or it was erased: its words stay apart.
            wanted = " ".join(names.words(row.sort_name)) or row.sort_name
        if wanted != row.sort_name:
            changed.append({"whose": row.person_id, "wanted": wanted})
    if changed:
        mine = named.c.person_id == sa.bindparam("whose")
        connection.execute(sa.update(named).where(mine).values(sort_name=sa.bindparam("wanted")), changed)


def downgrade() -> None:
    """Nothing: the release before orders by these too."""
