"""Cards come as UIDs and stay as tokens; one that is replaced stops working at the import (PORT-1, PORT-8)."""

import pytest

from server.imports import cardlist, run
from server.imports.badrows import BadRows, NeedsConfirmation, RowsRefused, masked
from server.store import cards as held_cards
from server.store import schema
from server.store.engine import reading, writing
from tests.server.imports.imports_world import DAY, PACKAGE, USERS, with_status

HEAD = "userSourcedId,uid"
ALL = [HEAD, "s1,04A1B2C3D4E501", "s2,04A1B2C3D4E502", "s3,B0A1C203"]


def refused(office, cards, **more) -> list:
    before = office.everything()
    with pytest.raises(RowsRefused) as found:
        office.roster(cards=cards, **more)
    assert office.everything() == before
    return found.value.rows


def cards_file(office, *lines: str, **more):
    """`--cards FILE` beside the college's package without its own cards."""
    path = office.folder / "new-cards.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return run.import_oneroster(office.store, office.package(), cards_file=path, **more)


def test_a_card_is_kept_as_its_token_and_nowhere_as_its_uid(college):
    uid = bytes.fromhex("04A1B2C3D4E501")
    with reading(college.engine) as connection:
        keys = held_cards.current_keys(connection, college.vault, college.institution.id, college.now_ms)
    tokens = {row.token for row in college.rows(schema.card_token)}
    assert keys[0].token(uid) in tokens and len(tokens) == 3
    for table, rows in college.everything().items():
        for row in rows:
            for cell in row:
                said = cell if isinstance(cell, bytes) else str(cell).encode()
                assert uid not in said and uid.hex() not in said.decode("latin-1").lower(), table


@pytest.mark.parametrize("written", ["04:a1:b2:c3:d4:e5:01", "04-A1-B2-C3-D4-E5-01", "04 a1 b2 c3 d4 e5 01"])
def test_a_uid_may_be_written_with_colons_hyphens_or_blanks(college, written):
    assert not college.roster(cards=[HEAD, f"s1,{written}", *ALL[2:]]).applied


def test_a_card_may_stand_in_user_ids(office):
    users = [line.replace("ada,,", 'ada,"{LDAP:12},{card:04A1B2C3D4E501}",') for line in USERS]
    assert office.roster(PACKAGE | {"users": users}).summary.counts["cards"] == {"assigned": 1}
    assert len(office.cards_of("s1")) == 1


def test_a_replaced_card_ends_at_the_import(each_office):
    each_office.roster(cards=ALL)
    old = each_office.cards_of("s1")
    each_office.now_ms += DAY
    done = each_office.roster(cards=[HEAD, "s1,04FFFFFFFFFF09", *ALL[2:]], confirm=True)
    assert done.summary.counts["cards"] == {"assigned": 1, "replaced": 1}
    new = each_office.cards_of("s1")
    assert len(new) == 1 and new != old
    assert each_office.cards_of("s1", each_office.now_ms - 1) == old
    ended = [row for row in each_office.rows(schema.card_assignment) if row.to_ms is not None]
    assert [(row.card_id, row.to_ms, row.ended_why) for row in ended] == [(old[0], each_office.now_ms, "replaced")]


def test_a_swipe_with_a_replaced_card_after_the_import_is_nobodys(college):
    college.now_ms += DAY
    college.roster(cards=[HEAD, "s1,04FFFFFFFFFF09", *ALL[2:]], confirm=True)
    with reading(college.engine) as connection:
        keys = held_cards.current_keys(connection, college.vault, college.institution.id, college.now_ms)
        tokens = held_cards.token_for(bytes.fromhex("04A1B2C3D4E501"), keys)
        owned = held_cards.owners(connection, college.institution.id, tokens)[tokens[0]]
    assert held_cards.owner_at(owned, college.now_ms - 1) == college.person("s1")
    assert held_cards.owner_at(owned, college.now_ms) is None


def test_a_card_missing_from_the_whole_list_ends(college):
    college.now_ms += DAY
    with pytest.raises(NeedsConfirmation, match="1 of 3 cards"):
        college.roster(cards=ALL[:3])
    college.roster(cards=ALL[:3], confirm=True)
    assert college.cards_of("s3") == [] and college.cards_of("s1")


def test_a_cards_file_of_its_own_changes_only_its_rows(college):
    before = {sid: college.cards_of(sid) for sid in ("s1", "s2", "s3")}
    college.now_ms += DAY
    cards_file(college, "s1,04FFFFFFFFFF09", confirm=True)
    assert {sid: college.cards_of(sid) for sid in ("s2", "s3")} == {"s2": before["s2"], "s3": before["s3"]}
    assert college.cards_of("s1") != before["s1"]


def test_an_empty_uid_ends_the_persons_cards(college):
    college.now_ms += DAY
    cards_file(college, "s1,", confirm=True)
    assert college.cards_of("s1") == []


def test_a_person_may_have_two_cards(office):
    office.roster(cards=[HEAD, "s1,04A1B2C3D4E501", "s1,04A1B2C3D4E5AA"])
    assert len(office.cards_of("s1")) == 2


def test_an_ended_card_may_be_given_to_somebody_else(college):
    card = college.cards_of("s3")
    college.now_ms += DAY
    college.roster(cards=[HEAD, *ALL[1:2], "s2,B0A1C203"], confirm=True)
    assert (college.cards_of("s2"), college.cards_of("s3")) == (card, [])


@pytest.mark.parametrize(
    ("row", "code", "shown"),
    [
        ("s2,04A1B2C3D4E501", "card-twice", "04••••01"),
        ("s2,08A1B2C3", "card-uid-random", "08••••C3"),
        ("s2,01020304", "card-uid-random", "01••••04"),
        ("s2,04A1B2", "card-uid-length", "••••"),
        ("s2,04A1B2C3D4E5ZZ", "card-uid", "••••"),
        ("s9,04A1B2C3D4E509", "card-user", "'s9'"),
    ],
)
def test_a_bad_card_is_named_by_its_line_and_its_uid_is_masked(office, row, code, shown):
    rows = refused(office, [*ALL[:2], row])
    assert [(one.file, one.line, one.code) for one in rows] == [("cards.csv", 3, code)]
    assert shown in rows[0].text
    uid = row.partition(",")[2]
    assert uid not in rows[0].text


def test_a_card_that_another_has_is_not_taken_by_a_list_that_does_not_name_them(college):
    files = {"users": with_status(USERS[:2])}
    path = college.package(files, mode="delta")
    (path / "cards.csv").write_text(f"{HEAD}\ns1,04A1B2C3D4E502\n")
    with pytest.raises(RowsRefused) as found:
        college.roster_at(path)
    assert [(row.line, row.code) for row in found.value.rows] == [(2, "card-taken")]


@pytest.mark.parametrize(
    ("uid", "shown"),
    [("04A1B2C3D4E506", "04••••06"), ("b0:a1:c2:03", "B0••••03"), ("a name", "••••"), ("", "••••"), ("12", "••••")],
)
def test_a_masked_uid_shows_its_ends_only(uid, shown):
    assert masked(uid) == shown


def test_a_card_row_never_prints_its_uid():
    row = cardlist.in_file("cards.csv", b"userSourcedId,uid\ns1,04A1B2C3D4E501\n", BadRows())[0]
    assert "04A1" not in repr(row)


def test_a_swipe_that_waited_for_its_card_is_the_owners_after_the_import(each_office):
    each_office.roster()
    with writing(each_office.engine) as connection:
        keys = held_cards.current_keys(connection, each_office.vault, each_office.institution.id, each_office.now_ms)
        [(key_id, token)] = held_cards.token_for(bytes.fromhex("04A1B2C3D4E501"), keys)
        at_ms = each_office.now_ms + DAY
        own = {"institution_id": each_office.institution.id}

        def add(table, **values) -> int:
            return connection.execute(table.insert().values(**own, **values)).inserted_primary_key[0]

        site = add(schema.site, name="north")
        reader = add(schema.reader, site_id=site, name="door", created_ms=0)
        journal = add(schema.journal, reader_id=reader, journal="0" * 16, opened_ms=0)
        record = add(schema.record, journal_id=journal, seq=1, kind="swipe", text="x", mac=b"m", received_ms=at_ms)
        add(
            schema.swipe, id=record, reader_id=reader, journal_id=journal, seq=1, key_id=key_id, token=token,
            boot_ms=0, wall_ms=at_ms, clock="sync", verdict="unknown", received_ms=at_ms,
        )  # fmt: skip
        add(schema.reading, swipe_id=record, reader_id=reader, at_ms=at_ms, placed_by="wall")
    each_office.roster(cards=ALL)
    assert each_office.rows(schema.reading)[0].person_id == each_office.person("s1")
    assert [row.person_id for row in each_office.rows(schema.due)] == [each_office.person("s1")]
