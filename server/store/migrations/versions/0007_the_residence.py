"""The residence: houses, kiosks, consents and templates, PINs, check-ins and evenings, leave, flags (DDU-12 to 14)"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "house",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_house_institution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_house")),
        sa.UniqueConstraint("institution_id", "code", name=op.f("uq_house_institution_id_code")),
    )
    op.create_table(
        "residency",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("house_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("floor", sa.String(length=32), server_default="", nullable=False),
        sa.Column("room", sa.String(length=64), server_default="", nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_residency_house_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_residency_institution_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_residency_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_residency")),
    )
    op.create_index(op.f("ix_residency_house_id"), "residency", ["house_id"], unique=False)
    op.create_index(op.f("ix_residency_person_id"), "residency", ["person_id"], unique=False)
    op.create_table(
        "duty",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("house_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_duty_house_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_duty_institution_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_duty_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty")),
    )
    op.create_index(op.f("ix_duty_house_id"), "duty", ["house_id"], unique=False)
    op.create_index(op.f("ix_duty_person_id"), "duty", ["person_id"], unique=False)
    op.create_table(
        "kiosk",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("house_id", number, nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("radius_m", sa.Integer(), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_kiosk_house_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_kiosk_institution_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_kiosk_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kiosk")),
    )
    op.create_index(op.f("ix_kiosk_house_id"), "kiosk", ["house_id"], unique=False)
    op.create_index(op.f("ix_kiosk_reader_id"), "kiosk", ["reader_id"], unique=False)
    op.create_table(
        "consent",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("text_version", sa.String(length=32), nullable=False),
        sa.Column("text_digest", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("given_ms", sa.BigInteger(), nullable=False),
        sa.Column("taken_by_account_id", number, nullable=False),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by_account_id", number, nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_consent_institution_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_consent_person_id")),
        sa.ForeignKeyConstraint(["taken_by_account_id"], ["account.id"], name=op.f("fk_consent_taken_by_account_id")),
        sa.ForeignKeyConstraint(
            ["withdrawn_by_account_id"], ["account.id"], name=op.f("fk_consent_withdrawn_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index(op.f("ix_consent_person_id"), "consent", ["person_id"], unique=False)
    op.create_table(
        "template",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("consent_id", number, nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("asked_by_account_id", number, nullable=False),
        sa.Column("held_ms", sa.BigInteger(), nullable=True),
        sa.Column("failed_ms", sa.BigInteger(), nullable=True),
        sa.Column("by_person_id", number, nullable=True),
        sa.Column("erasing_ms", sa.BigInteger(), nullable=True),
        sa.Column("erased_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["asked_by_account_id"], ["account.id"], name=op.f("fk_template_asked_by_account_id")),
        sa.ForeignKeyConstraint(["by_person_id"], ["person.id"], name=op.f("fk_template_by_person_id")),
        sa.ForeignKeyConstraint(["consent_id"], ["consent.id"], name=op.f("fk_template_consent_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_template_institution_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_template_person_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_template_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template")),
        sa.UniqueConstraint("reader_id", "generation", name=op.f("uq_template_reader_id_generation")),
    )
    op.create_index(op.f("ix_template_person_id"), "template", ["person_id"], unique=False)
    op.create_index("ix_template_slot", "template", ["reader_id", "slot"], unique=False)
    op.create_table(
        "pin_key",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_pin_key_institution_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pin_key")),
        sa.UniqueConstraint("institution_id", "key_id", name=op.f("uq_pin_key_institution_id_key_id")),
    )
    op.create_table(
        "pin",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("card_id", number, nullable=False),
        sa.Column("card_key_id", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("set_ms", sa.BigInteger(), nullable=False),
        sa.Column("set_by_account_id", number, nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["card_id"], ["card.id"], name=op.f("fk_pin_card_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_pin_institution_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_pin_person_id")),
        sa.ForeignKeyConstraint(["set_by_account_id"], ["account.id"], name=op.f("fk_pin_set_by_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pin")),
    )
    op.create_index(op.f("ix_pin_card_id"), "pin", ["card_id"], unique=False)
    op.create_index(op.f("ix_pin_person_id"), "pin", ["person_id"], unique=False)
    op.create_table(
        "check_in",
        sa.Column("id", number, autoincrement=False, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("journal_id", number, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("key2_id", sa.SmallInteger(), nullable=True),
        sa.Column("token2", sa.LargeBinary(), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("witness_key_id", sa.SmallInteger(), nullable=True),
        sa.Column("witness_token", sa.LargeBinary(), nullable=True),
        sa.Column("boot_ms", sa.BigInteger(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=True),
        sa.Column("clock", sa.String(length=4), nullable=False),
        sa.Column("uncertainty_ms", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("roster_shown", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("cell", sa.String(length=32), nullable=True),
        sa.Column("fix", sa.String(length=16), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["record.id"], name=op.f("fk_check_in_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_check_in_institution_id")),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name=op.f("fk_check_in_journal_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_check_in_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_in")),
    )
    op.create_index(op.f("ix_check_in_journal_id"), "check_in", ["journal_id"], unique=False)
    op.create_index(op.f("ix_check_in_token"), "check_in", ["token"], unique=False)
    op.create_index(op.f("ix_check_in_token2"), "check_in", ["token2"], unique=False)
    op.create_index(op.f("ix_check_in_witness_token"), "check_in", ["witness_token"], unique=False)
    op.create_table(
        "check_in_reading",
        sa.Column("check_in_id", number, autoincrement=False, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("house_id", number, nullable=True),
        sa.Column("person_id", number, nullable=True),
        sa.Column("witness_person_id", number, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("uncertainty_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("placed_by", sa.String(length=8), nullable=False),
        sa.Column("evening", sa.String(length=10), nullable=True),
        sa.Column("counts", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("why", sa.String(length=32), server_default="", nullable=False),
        sa.Column("due", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["check_in_id"], ["check_in.id"], name=op.f("fk_check_in_reading_check_in_id")),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_check_in_reading_house_id")),
        sa.ForeignKeyConstraint(
            ["institution_id"], ["institution.id"], name=op.f("fk_check_in_reading_institution_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_check_in_reading_person_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_check_in_reading_reader_id")),
        sa.ForeignKeyConstraint(
            ["witness_person_id"], ["person.id"], name=op.f("fk_check_in_reading_witness_person_id")
        ),
        sa.PrimaryKeyConstraint("check_in_id", name=op.f("pk_check_in_reading")),
    )
    op.create_index(op.f("ix_check_in_reading_due"), "check_in_reading", ["due"], unique=False)
    op.create_index("ix_check_in_reading_evening", "check_in_reading", ["house_id", "evening"], unique=False)
    op.create_index("ix_check_in_reading_person", "check_in_reading", ["person_id", "evening"], unique=False)
    op.create_table(
        "kiosk_event",
        sa.Column("id", number, autoincrement=False, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("reader_id", number, nullable=False),
        sa.Column("journal_id", number, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("by_key_id", sa.SmallInteger(), nullable=True),
        sa.Column("by_token", sa.LargeBinary(), nullable=True),
        sa.Column("boot_ms", sa.BigInteger(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=True),
        sa.Column("clock", sa.String(length=4), nullable=False),
        sa.Column("uncertainty_ms", sa.BigInteger(), nullable=True),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.String(length=64), nullable=True),
        sa.Column("person_id", number, nullable=True),
        sa.Column("by_person_id", number, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["by_person_id"], ["person.id"], name=op.f("fk_kiosk_event_by_person_id")),
        sa.ForeignKeyConstraint(["id"], ["record.id"], name=op.f("fk_kiosk_event_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_kiosk_event_institution_id")),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name=op.f("fk_kiosk_event_journal_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_kiosk_event_person_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_kiosk_event_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kiosk_event")),
    )
    op.create_index(op.f("ix_kiosk_event_by_token"), "kiosk_event", ["by_token"], unique=False)
    op.create_index(op.f("ix_kiosk_event_due"), "kiosk_event", ["due"], unique=False)
    op.create_index(op.f("ix_kiosk_event_journal_id"), "kiosk_event", ["journal_id"], unique=False)
    op.create_index(op.f("ix_kiosk_event_person_id"), "kiosk_event", ["person_id"], unique=False)
    op.create_index("ix_kiosk_event_reader", "kiosk_event", ["reader_id", "at_ms"], unique=False)
    op.create_index(op.f("ix_kiosk_event_token"), "kiosk_event", ["token"], unique=False)
    op.create_table(
        "evening_act",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("house_id", number, nullable=False),
        sa.Column("evening", sa.String(length=10), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), server_default="", nullable=False),
        sa.Column("note_id", number, nullable=True),
        sa.Column("by_account_id", number, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by_account_id", number, nullable=True),
        sa.ForeignKeyConstraint(["by_account_id"], ["account.id"], name=op.f("fk_evening_act_by_account_id")),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_evening_act_house_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_evening_act_institution_id")),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_evening_act_note_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_evening_act_person_id")),
        sa.ForeignKeyConstraint(
            ["withdrawn_by_account_id"], ["account.id"], name=op.f("fk_evening_act_withdrawn_by_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evening_act")),
    )
    op.create_index("ix_evening_act_evening", "evening_act", ["house_id", "evening"], unique=False)
    op.create_index("ix_evening_act_person", "evening_act", ["person_id", "evening"], unique=False)
    op.create_table(
        "residence_leave",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("person_id", number, nullable=False),
        sa.Column("first", sa.String(length=10), nullable=False),
        sa.Column("last", sa.String(length=10), nullable=False),
        sa.Column("note_id", number, nullable=True),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("asked_by_account_id", number, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("decided_by_account_id", number, nullable=True),
        sa.Column("answer_note_id", number, nullable=True),
        sa.ForeignKeyConstraint(["answer_note_id"], ["note.id"], name=op.f("fk_residence_leave_answer_note_id")),
        sa.ForeignKeyConstraint(
            ["asked_by_account_id"], ["account.id"], name=op.f("fk_residence_leave_asked_by_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_account_id"], ["account.id"], name=op.f("fk_residence_leave_decided_by_account_id")
        ),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_residence_leave_institution_id")),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_residence_leave_note_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_residence_leave_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_residence_leave")),
    )
    op.create_index(op.f("ix_residence_leave_person_id"), "residence_leave", ["person_id"], unique=False)
    op.create_table(
        "duty_note",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("house_id", number, nullable=False),
        sa.Column("evening", sa.String(length=10), nullable=False),
        sa.Column("note_id", number, nullable=False),
        sa.Column("by_account_id", number, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["by_account_id"], ["account.id"], name=op.f("fk_duty_note_by_account_id")),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_duty_note_house_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_duty_note_institution_id")),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_duty_note_note_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_note")),
    )
    op.create_index("ix_duty_note_evening", "duty_note", ["house_id", "evening"], unique=False)
    op.create_table(
        "residence_flag",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("institution_id", number, nullable=False),
        sa.Column("house_id", number, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("person_id", number, nullable=True),
        sa.Column("reader_id", number, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("detail", sa.Text(), server_default="{}", nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by_account_id", number, nullable=True),
        sa.Column("note_id", number, nullable=True),
        sa.ForeignKeyConstraint(
            ["closed_by_account_id"], ["account.id"], name=op.f("fk_residence_flag_closed_by_account_id")
        ),
        sa.ForeignKeyConstraint(["house_id"], ["house.id"], name=op.f("fk_residence_flag_house_id")),
        sa.ForeignKeyConstraint(["institution_id"], ["institution.id"], name=op.f("fk_residence_flag_institution_id")),
        sa.ForeignKeyConstraint(["note_id"], ["note.id"], name=op.f("fk_residence_flag_note_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_residence_flag_person_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["reader.id"], name=op.f("fk_residence_flag_reader_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_residence_flag")),
        sa.UniqueConstraint("house_id", "kind", "subject", name=op.f("uq_residence_flag_house_id_kind_subject")),
    )
    op.create_index(op.f("ix_residence_flag_person_id"), "residence_flag", ["person_id"], unique=False)


def downgrade() -> None:
    op.drop_table("residence_flag")
    op.drop_table("duty_note")
    op.drop_table("residence_leave")
    op.drop_table("evening_act")
    op.drop_table("kiosk_event")
    op.drop_table("check_in_reading")
    op.drop_table("check_in")
    op.drop_table("pin")
    op.drop_table("pin_key")
    op.drop_table("template")
    op.drop_table("consent")
    op.drop_table("kiosk")
    op.drop_table("duty")
    op.drop_table("residency")
    op.drop_table("house")
