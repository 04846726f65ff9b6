"""What may be misuse of cards is found in what came, flagged once with what it rests on, and judged by a person (PORT-9)."""

import pytest
from sqlalchemy import select

from server.errors import NotFound, Refused
from server.scope import Grant, Scope
from server.store import cards, misuse_flags, misuse_taps, revocations, schema
from server.store.accounts import at_the_console
from server.store.campus import FieldRefused
from server.store.engine import reading, writing
from server.store.schema_misuse import misuse_flag, misuse_look, misuse_tap
from tests.rules import rule
from tests.server.misuse_world import DAY, Watched
from tests.server.residence_world import OPENS, Residence
from tests.server.staff_world import staff
from tests.server.store_world import HOUR, MIN, NINE, UIDS

pytestmark = rule("PORT-9")


@pytest.fixture
def campus(world):
    made = Watched(world)
    world.now_ms = NINE + 2 * HOUR
    made.look()
    return made


def close(campus, outcome="explained", text="asked both", scope=None):
    scope = scope or registry(campus)
    with writing(campus.w.engine) as c:
        [flag] = misuse_flags.waiting(c, scope, campus.w.now_ms)
        misuse_flags.close(c, scope, flag.id, outcome, text, campus.w.now_ms)


def registry(campus):
    return staff(campus.w, "registry")


def test_the_same_card_on_two_sites_within_minutes_is_flagged_with_both_taps_and_no_mark_changes(campus):
    w = campus.w
    session = w.session()
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    before = w.marks()
    assert before[session, w.students[0]][0] == "P"
    assert campus.look() == 1
    assert campus.flags() == [("two-doors", w.students[0], None, 1)]
    assert campus.taps() == [(w.students[0], "a-1"), (w.students[0], "h-1")]
    assert w.marks() == before and len(w.credits()) == 1
    assert campus.look() == 0, "once for a cause"


def revoke(campus, name, since_ms):
    with writing(campus.w.engine) as c:
        scope = at_the_console(campus.w.institution_id)
        revocations.revoke(c, scope, name, since_ms=since_ms, why="stolen", now_ms=campus.w.now_ms)
    campus.w.derive()


def test_what_a_stolen_reader_told_accuses_nobody_and_what_it_did_accuse_of_is_taken_back(campus):
    w = campus.w
    theft_ms = w.now_ms + 1
    w.now_ms += MIN
    # Whoever has its key forges a tap beside an honest one, and another with a card that was lost.
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    assert campus.look() == 1
    revoke(campus, campus.far.name, theft_ms)
    with writing(w.engine) as c:
        [card] = cards.of_person(c, w.students[1], NINE)
        cards.end(c, w.institution_id, card, NINE, "lost")
    w.deliver(
        campus.one.swipe(UIDS[2], NINE), campus.far.swipe(UIDS[2], NINE + MIN), campus.far.swipe(UIDS[1], NINE + MIN)
    )
    assert campus.look() == 0
    w.now_ms += DAY
    campus.look()
    with reading(w.engine) as c:
        assert misuse_flags.waiting(c, registry(campus), w.now_ms) == []


def test_what_a_person_let_count_of_a_stolen_reader_is_looked_at_again(campus):
    w = campus.w
    theft_ms = w.now_ms + 1
    w.now_ms += MIN
    revoke(campus, campus.far.name, theft_ms)
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    assert campus.look() == 0
    with writing(w.engine) as c:
        revocations.release(c, at_the_console(w.institution_id), campus.far.name, now_ms=w.now_ms)
    w.now_ms += DAY
    assert campus.look() == 1


def test_what_came_with_two_gateways_hours_apart_is_flagged_when_the_second_half_is_there(campus):
    w = campus.w
    w.deliver(campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    assert campus.look() == 0
    w.now_ms += 6 * HOUR
    w.deliver(campus.one.swipe(UIDS[0], NINE))
    assert campus.look() == 1
    assert len(campus.taps()) == 2


def test_what_was_dark_for_months_is_looked_at_apart_from_today(campus, monkeypatch):
    w, today = campus.w, NINE + 90 * DAY
    w.now_ms = today + 2 * HOUR
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    w.deliver(campus.one.swipe(UIDS[1], today), campus.far.swipe(UIDS[1], today + 5 * MIN))
    asked = []

    def of_people(connection, people, from_ms, to_ms, **more):
        asked.append((tuple(people), to_ms - from_ms < 4 * DAY))
        return real(connection, people, from_ms, to_ms, **more)

    real = misuse_taps.of_people
    monkeypatch.setattr(misuse_taps, "of_people", of_people)
    campus.look()
    assert campus.flags() == [("two-doors", student, None, 1) for student in w.students[:2]]
    # The day's look at everybody comes after, and goes over weeks.
    assert asked[:2] == [((w.students[0],), True), ((w.students[1],), True)]


def test_a_lost_card_is_flagged_to_whoever_had_it_and_one_that_was_given_again_is_not(campus):
    w = campus.w
    with writing(w.engine) as c:
        [card] = cards.of_person(c, w.students[0], NINE)
        cards.end(c, w.institution_id, card, NINE, "lost")
        [other] = cards.of_person(c, w.students[1], NINE)
        cards.end(c, w.institution_id, other, NINE, "lost")
        cards.hold(c, w.institution_id, w.students[1], w.tokens(UIDS[1]), NINE + 10 * MIN)
        [third] = cards.of_person(c, w.students[2], NINE)
        cards.end(c, w.institution_id, third, NINE, "replaced")
    w.deliver(*(campus.one.swipe(UIDS[n], NINE + HOUR) for n in range(3)))
    assert campus.look() == 1
    assert campus.flags() == [("lost-card", w.students[0], None, 1)]
    assert campus.taps() == [(w.students[0], "a-1")]
    assert w.credits() == set()


def test_a_lost_card_that_a_door_without_a_clock_took_is_not_flagged_where_it_may_have_been_before(campus):
    w = campus.w
    with writing(w.engine) as c:
        [card] = cards.of_person(c, w.students[0], NINE)
        cards.end(c, w.institution_id, card, NINE, "lost")
    w.deliver(campus.one.swipe(UIDS[0], NINE + MIN, uncertainty_ms=2 * MIN, clock="hold"))
    assert (campus.look(), campus.flags()) == (0, [])


def test_a_door_while_its_owner_checks_in_at_home_is_flagged(world):
    hall = Residence(world)
    campus = Watched(world)
    world.now_ms = OPENS + HOUR
    campus.look()
    hall.deliver(hall.board.lines[0], hall.check_in(UIDS[0], OPENS + MIN))
    world.deliver(campus.one.swipe(UIDS[0], OPENS + MIN + 2000), campus.one.swipe(UIDS[1], OPENS + MIN + 4000))
    assert campus.look() == 1
    assert campus.flags() == [("elsewhere", world.students[0], None, 1)]
    scope = registry(campus)
    with reading(world.engine) as c:
        [flag] = misuse_flags.waiting(c, scope, world.now_ms)
    assert [(one.place, one.check_in) for one in flag.taps] == [("North House", True), ("R0", False)]


def come(campus, times, *, first=0, late=0, boards=None, alone=()):
    """The first two students come together so many times, two on a day; `alone`: who comes on the last day besides."""
    w = campus.w
    for board in (campus.one, campus.two):
        board.booted_ms = NINE - 40 * DAY
    for n in range(first, first + times):
        at_ms = NINE - 10 * DAY + n // 2 * DAY + n % 2 * HOUR
        w.deliver(campus.one.swipe(UIDS[0], at_ms), campus.one.swipe(UIDS[1], at_ms + 4000 + late), derive=False)
    for who in alone:
        w.deliver(campus.two.swipe(UIDS[who], NINE - DAY + who * HOUR), derive=False)


def tomorrow(campus):
    """The next day's look at everybody."""
    campus.w.now_ms += DAY
    return campus.look()


def test_a_pair_of_which_one_is_never_seen_alone_is_flagged_by_the_days_look(campus):
    w = campus.w
    come(campus, 8, alone=(0,))
    assert campus.look() == 0, "a habit is looked for once a day"
    assert tomorrow(campus) == 1
    assert campus.flags() == [("pair", w.students[1], w.students[0], 8)]
    [row] = w.all(misuse_flag)
    assert row.apart == 1 and len(campus.taps()) == 16


def test_friends_who_come_together_and_are_seen_otherwise_are_no_pair(campus):
    come(campus, 12, alone=(0, 1))
    assert (tomorrow(campus), campus.flags()) == (0, [])


def test_a_pair_that_was_explained_is_open_again_only_after_the_same_habit_anew(campus):
    come(campus, 8, alone=(0,))
    tomorrow(campus)
    close(campus)
    come(campus, 6, first=8)
    assert (tomorrow(campus), campus.flags()) == (0, [])
    come(campus, 2, first=14)
    assert tomorrow(campus) == 1
    [flag] = campus.flags()
    assert flag[0] == "pair" and flag[3] == 16
    [row] = campus.w.all(misuse_flag)
    assert (row.outcome, row.closed_by_account_id, row.note_id is not None) == (None, None, True)


def test_whoever_comes_alone_after_a_warning_was_a_pair_all_the_same(campus):
    w = campus.w
    come(campus, 8, alone=(0,))
    tomorrow(campus)
    w.deliver(campus.two.swipe(UIDS[1], w.now_ms - MIN), derive=False)
    tomorrow(campus)
    assert [flag[0] for flag in campus.flags()] == ["pair"]


def test_what_a_late_tap_refutes_is_taken_back_and_kept(campus):
    w = campus.w
    come(campus, 8, alone=(0,))
    tomorrow(campus)
    # A door that was cut off says now that the second one was there alone on one of those days.
    w.deliver(campus.two.swipe(UIDS[1], NINE - 9 * DAY + 3 * HOUR), derive=False)
    tomorrow(campus)
    assert campus.flags() == []
    [row] = w.all(misuse_flag)
    assert row.lapsed_ms == w.now_ms and row.closed_ms is None
    scope = registry(campus)
    with reading(w.engine) as c:
        assert [one.lapsed_ms for one in misuse_flags.done(c, scope, 0, w.now_ms)] == [w.now_ms]
        assert misuse_flags.waiting(c, scope, w.now_ms) == []


def test_a_card_that_turns_out_to_be_somebody_elses_takes_its_flag_back(campus):
    w = campus.w
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[5], NINE + MIN))
    other = w.person("S9")
    with writing(w.engine) as c:
        cards.hold(c, w.institution_id, w.students[0], w.tokens(UIDS[5]), 0)
    tomorrow(campus)
    assert campus.flags() == [("two-doors", w.students[0], None, 1)]
    with writing(w.engine) as c:
        # It was registered on the wrong person: from the beginning it is the other one's.
        tokens = [token for _, token in w.tokens(UIDS[5])]
        c.execute(
            schema.card_assignment.update()
            .where(
                schema.card_assignment.c.card_id.in_(
                    select(schema.card_token.c.card_id).where(schema.card_token.c.token.in_(tokens))
                )
            )
            .values(person_id=other)
        )
        cards.resolve(
            c, w.institution_id, c.execute(select(schema.card_assignment.c.card_id)).scalars().all(), w.now_ms
        )
    tomorrow(campus)
    assert campus.flags() == []


def test_a_closed_flag_stays_closed_when_the_same_is_looked_at_again_and_opens_for_a_new_tap(campus):
    w = campus.w
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    campus.look()
    close(campus)
    assert (tomorrow(campus), campus.flags()) == (0, [])
    w.deliver(campus.one.swipe(UIDS[0], NINE + 9 * MIN))
    assert campus.look() == 1
    assert campus.flags() == [("two-doors", w.students[0], None, 2)]


def test_a_look_that_was_broken_off_goes_on_where_it_stopped(campus, monkeypatch):
    w = campus.w
    monkeypatch.setattr("server.derive.misuse.NEWS", 2)
    monkeypatch.setattr("server.derive.misuse.PEOPLE", 1)
    for n in range(3):
        w.deliver(campus.one.swipe(UIDS[n], NINE), campus.far.swipe(UIDS[n], NINE + 5 * MIN), derive=False)
    assert sum(campus.look() for _ in range(4)) == 3
    w.now_ms += DAY
    reached = []
    for _ in range(5):
        campus.look()
        [row] = w.all(misuse_look)
        reached.append(row.reached)
    assert reached == [*w.students, None, None]
    with reading(w.engine) as c:
        assert w.all(misuse_look)[0].record_id == misuse_taps.newest(c)


# --- who sees them, and who judges


def test_only_the_registry_the_auditors_and_administrators_read_them_and_only_in_their_part(campus):
    w = campus.w
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    campus.look()
    readers_ = [staff(w, role) for role in ("registry", "auditor", "admin")]
    with reading(w.engine) as c:
        assert [len(misuse_flags.waiting(c, one, w.now_ms)) for one in readers_] == [1, 1, 1]
        grant = Grant(role="registry", scope="department", scope_id=77)
        elsewhere = Scope(institution_id=w.institution_id, account_id=1, person_id=None, grants=(grant,))
        assert misuse_flags.waiting(c, elsewhere, w.now_ms) == []
    with writing(w.engine) as c, pytest.raises(NotFound):
        misuse_flags.close(c, elsewhere, 1, "misuse", "x", w.now_ms)


def test_nobody_judges_what_is_about_themselves_nor_twice_nor_without_words(campus):
    w = campus.w
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    campus.look()
    mine = registry(campus)
    oneself = Scope(
        institution_id=w.institution_id, account_id=mine.account_id, person_id=w.students[0], grants=mine.grants
    )
    with pytest.raises(Refused) as caught:
        close(campus, scope=oneself)
    assert caught.value.code == "own"
    for outcome, text in (("guilty", "x"), ("misuse", " ")):
        with pytest.raises(FieldRefused):
            close(campus, outcome, text, scope=mine)
    with writing(w.engine) as c:
        misuse_flags.close(c, mine, 1, "misuse", "has said so", w.now_ms)
        with pytest.raises(Refused):
            misuse_flags.close(c, mine, 1, "explained", "no", w.now_ms)
    [row] = w.rows(select(schema.audit).where(schema.audit.c.action == "misuse-flag.close"))
    assert (row.subject, row.account_id) == ("misuse/1", mine.account_id) and "has said so" not in row.detail


def test_a_flag_names_no_card_and_no_name(campus):
    w = campus.w
    w.deliver(campus.one.swipe(UIDS[0], NINE), campus.far.swipe(UIDS[0], NINE + 5 * MIN))
    campus.look()
    said = repr([w.all(misuse_flag), w.all(misuse_tap)])
    assert "Example" not in said and all(token.hex() not in said for _, token in w.tokens(UIDS[0]))


def test_a_command_on_the_servers_machine_reads_them_too(campus):
    with reading(campus.w.engine) as c:
        assert misuse_flags.waiting(c, at_the_console(campus.w.institution_id), campus.w.now_ms) == []
