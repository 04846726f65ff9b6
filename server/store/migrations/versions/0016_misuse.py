"""What may be misuse of cards, for a person to judge: flags, the taps they rest on, and how far was looked (PORT-9)"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "misuse_flag",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("other_person_id", number, nullable=True),
        sa.Column("apart", sa.Integer(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("lapsed_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by_account_id", number, nullable=True),
        sa.Column("note_id", number, nullable=True),
        sa.ForeignKeyConstraint(
            ["closed_by_account_id"], ["account.id"], name=op.f("fk_misuse_flag_closed_by_account_id")
        ),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_misuse_flag_institution_id")),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_misuse_flag_note_id")),
        sa.ForeignKeyConstraint(["other_person_id"], ["person.id"], name=op.f("fk_misuse_flag_other_person_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_misuse_flag_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_misuse_flag")),
        sa.UniqueConstraint(
            "institution_id", "kind", "subject", name=op.f("uq_misuse_flag_institution_id_kind_subject")
        ),
    )
    op.create_index(op.f("ix_misuse_flag_other_person_id"), "misuse_flag", ["other_person_id"], unique=False)
    op.create_index(op.f("ix_misuse_flag_person_id"), "misuse_flag", ["person_id"], unique=False)
    op.create_table(
        "misuse_tap",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("flag_id", number, nullable=False),
        sa.Column("record_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("unsure_ms", sa.BigInteger(), nullable=False),
        sa.Column("check_in", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["flag_id"], ["misuse_flag.id"], name=op.f("fk_misuse_tap_flag_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_misuse_tap_institution_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_misuse_tap_person_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_misuse_tap_reader_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_misuse_tap_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_misuse_tap")),
        sa.UniqueConstraint("flag_id", "record_id", name=op.f("uq_misuse_tap_flag_id_record_id")),
    )
    op.create_index(op.f("ix_misuse_tap_person_id"), "misuse_tap", ["person_id"], unique=False)
    op.create_table(
        "misuse_look",
        sa.Column("institution_id", number, autoincrement=False, nullable=False),
        sa.Column("record_id", number, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("reached", number, nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_misuse_look_institution_id")),
        sa.PrimaryKeyConstraint("institution_id", name=op.f("pk_misuse_look")),
    )


def downgrade() -> None:
    op.drop_table("misuse_look")
    op.drop_table("misuse_tap")
    op.drop_table("misuse_flag")
