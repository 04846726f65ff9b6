"""A lesson whose register has a history, and what somebody does to the database past Muster."""

from server.scope import Grant, Scope
from server.store import chains, history_start, registers, schema
from server.store.engine import reading, writing
from server.store.schema_work import history as entries
from tests.server.store_world import MIN, NINE, UIDS


def tutor(world, session, name="tutor"):
    """A lecturer who staffs the session."""
    person_id = world.person(name)
    world.insert(schema.session_staff, session_id=session, person_id=person_id, from_ms=0)
    account_id = world.insert(
        schema.account,
        person_id=person_id,
        login=name,
        shown_name=name.title(),
        password_hash="",
        role="lecturer",
        created_ms=world.now_ms,
    )
    grants = (Grant(role="lecturer"),)
    return Scope(institution_id=world.institution_id, account_id=account_id, person_id=person_id, grants=grants)


def set_(world, scope, session, *codes, **more):
    wanted = [
        registers.Wanted(person_id=world.students[place], code=code, late_min=9 if code == "L" else None, **more)
        for place, code in enumerate(codes)
    ]
    with writing(world.engine) as connection:
        return registers.set_marks(connection, scope, world.profiles, session, wanted, now_ms=world.now_ms)


def a_lesson(world):
    session, board = world.session(profile="lough"), world.reader()
    world.now_ms = NINE + 30 * MIN
    world.deliver(board.hello(), *board.lines, board.swipe(UIDS[0], NINE), board.swipe(UIDS[1], NINE + 20 * MIN))
    scope = tutor(world, session)
    set_(world, scope, session, "A", remark="said by telephone: the bus stood still")
    world.now_ms += MIN
    with writing(world.engine) as connection:
        registers.verify(connection, scope, session, world.now_ms, world.profiles)
    return session, scope


def broken(world, kept=None):
    """The codes of what a walk over every chain finds."""
    with reading(world.engine) as connection:
        return [one.code for one in chains.walk(connection, kept).breaks]


def kept_now(world):
    with reading(world.engine) as connection:
        return {
            session: [chains.Kept(seq=seq, hash=made, source="heads-yesterday")]
            for session, seq, made in chains.heads(connection, world.institution_id)
        }


def do(world, statement):
    """Alter the database past Muster."""
    with writing(world.engine) as connection:
        connection.execute(statement)


def last(world, table, session):
    return [row for row in world.all(table) if row.session_id == session][-1]


def long_ago(world):
    """The history goes, as if there had been none, and the migration notes what is from before it."""
    do(world, entries.delete())
    do(world, schema.note.update().values(salt=None))
    with writing(world.engine) as connection:
        history_start.note(connection, world.institution_id, world.now_ms)
