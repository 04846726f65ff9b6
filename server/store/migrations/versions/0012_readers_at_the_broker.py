"""The CA, who may speak at the broker, and readers that are believed no more"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "authority",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_authority_institution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authority")),
        sa.UniqueConstraint("institution_id", name=op.f("uq_authority_institution_id")),
    )
    op.create_table(
        "broker_credential",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=True),
        sa.Column("gateway_id", number, nullable=True),
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=255), nullable=False),
        sa.Column("mutual", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateway.id"], name=op.f("fk_broker_credential_gateway_id")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_broker_credential_institution_id")
        ),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_broker_credential_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broker_credential")),
    )
    op.create_index("ix_broker_credential_held", "broker_credential", ["institution_id", "to_ms"], unique=False)
    op.create_index(op.f("ix_broker_credential_gateway_id"), "broker_credential", ["gateway_id"], unique=False)
    op.create_index(op.f("ix_broker_credential_reader_id"), "broker_credential", ["reader_id"], unique=False)
    op.create_table(
        "broker_agent",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_broker_agent_institution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broker_agent")),
        sa.UniqueConstraint("name", name=op.f("uq_broker_agent_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_broker_agent_token_hash")),
    )
    op.create_table(
        "reader_revocation",
        sa.Column("reader_id", number, autoincrement=False, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("called_ms", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("by_account_id", number, nullable=True),
        sa.Column("released_ms", sa.BigInteger(), nullable=True),
        sa.Column("released_by_account_id", number, nullable=True),
        sa.ForeignKeyConstraint(["by_account_id"], ["account.id"], name=op.f("fk_reader_revocation_by_account_id")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_reader_revocation_institution_id")
        ),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_reader_revocation_reader_id")),
        sa.ForeignKeyConstraint(
            ["released_by_account_id"], ["account.id"], name=op.f("fk_reader_revocation_released_by_account_id")
        ),
        sa.PrimaryKeyConstraint("reader_id", name=op.f("pk_reader_revocation")),
    )


def downgrade() -> None:
    op.drop_table("reader_revocation")
    op.drop_table("broker_agent")
    op.drop_index(op.f("ix_broker_credential_reader_id"), table_name="broker_credential")
    op.drop_index(op.f("ix_broker_credential_gateway_id"), table_name="broker_credential")
    op.drop_index("ix_broker_credential_held", table_name="broker_credential")
    op.drop_table("broker_credential")
    op.drop_table("authority")
