"""When the certificates end that the authority issued; the authority beside the one that signs; which one readers know"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "issued_certificate",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_issued_certificate_institution_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issued_certificate")),
        sa.UniqueConstraint("institution_id", "name", name=op.f("uq_issued_certificate_institution_id_name")),
    )
    op.create_table(
        "authority_beside",
        sa.Column("institution_id", number, autoincrement=False, nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("turned_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_authority_beside_institution_id")
        ),
        sa.PrimaryKeyConstraint("institution_id", name=op.f("pk_authority_beside")),
    )
    op.create_table(
        "reader_authority",
        sa.Column("reader_id", number, autoincrement=False, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("told_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_reader_authority_institution_id")
        ),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_reader_authority_reader_id")),
        sa.PrimaryKeyConstraint("reader_id", name=op.f("pk_reader_authority")),
    )


def downgrade() -> None:
    op.drop_table("reader_authority")
    op.drop_table("authority_beside")
    op.drop_table("issued_certificate")
