"""Whoever has left: nobody signs in with their account, and they teach nothing, however it was given to them."""

import pytest

from server.scope import Grant, Scope
from server.store import (
    colleagues,
    cover,
    identities,
    logins,
    passkeys,
    rights,
    schema,
    schema_rights,
    schema_work,
    tokens,
)
from server.store.engine import reading, writing
from tests.server.pages.registry_form import form_of
from tests.server.pages.school import Visitor
from tests.server.pages.two_departments import signed_in
from tests.server.store_world import HOUR


@pytest.fixture
def app(there):
    return there.app()


@pytest.fixture
def leaves(there, app):
    """`leaves("lea")`: the registry says so through its form; what its preview said. Again: they are back."""
    rita = signed_in(app, "rita")

    def send(name):
        path = f"/registry/people/{there.people[name]}/end"
        fields = form_of(rita.get(path).text, path)
        looked = rita.post(path, fields | {"do": "look"}).text
        assert rita.post(path, fields | {"do": "do"}).status_code == 303
        return looked

    return send


def staff(there, session):
    return {
        row.person_id: row.role
        for row in there.world.all(schema.session_staff)
        if row.session_id == session and row.to_ms is None
    }


def test_nobody_signs_in_with_the_account_of_somebody_who_has_left(there, app, leaves):
    lea = signed_in(app, "lea")
    with writing(there.world.engine) as connection:
        token = tokens.make(connection, "lea", "timetable", there.now_ms)
    here = there.world.institution_id
    for table, values in (
        (schema_rights.passkey, {"credential_id": b"k", "public_key": b"k", "name": "k"}),
        (schema_rights.outside_identity, {"issuer": "https://p.example", "subject": "lea"}),
    ):
        there.world.insert(table, account_id=there.accounts["lea"], created_ms=1, **values)

    def ways():
        """Each way in, and whether it is open."""
        program = Visitor(app).http.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})
        with reading(there.world.engine) as connection:
            return {
                "login": lea.get("/today").status_code == 200,
                "token": program.status_code == 200,
                "password": Visitor(app).sign_in("lea").status_code == 303,
                "passkey": passkeys.by_credential(connection, b"k") is not None,
                "provider": identities.account_of(connection, "https://p.example", "lea") is not None,
                "claim": identities.unlinked_account(connection, here, "https://q.example", "lea") is not None,
            }

    assert set(ways().values()) == {True}
    assert "The account lea lets nobody in any more." in leaves("lea")
    assert set(ways().values()) == {False}
    with writing(there.world.engine) as connection, pytest.raises(Exception, match="login or the password"):
        logins.begin(connection, there.accounts["lea"], there.now_ms, hours=1)
    admin = signed_in(app, "admin")
    shown = admin.get(f"/accounts/{there.accounts['lea']}").text
    assert "nobody signs in with it" in shown
    assert "it opens as before, with 1 API token and 1 passkey and 1 link to a provider too" in shown
    assert "has left" in admin.find("/accounts", "lea").text
    told = leaves("lea")
    assert "The account lea lets in again, with the password, passkeys, API tokens and links to a provider" in told
    assert set(ways().values()) == {True}, "and back again it is theirs as before"


def test_an_administrators_account_stays_open_until_another_disables_it(there, app, leaves):
    """Who may say that somebody has left does not take the accounts out of everybody's hands."""
    with writing(there.world.engine) as connection:
        rights.grant(connection, there.world.institution_id, there.accounts["lea"], "admin", now_ms=there.now_ms - 1)
    assert "The account lea stays open: an administrator disables it." in leaves("lea")
    assert signed_in(app, "lea").get("/accounts").status_code == 200
    assert "lets in again" not in leaves("lea"), "it was never shut"
    leaves("lea")
    admin = signed_in(app, "admin")
    here = f"/accounts/{there.accounts['lea']}"
    assert "stays open until you disable it" in admin.get(here).text
    assert admin.post(f"{here}/disable", {"csrf": admin.csrf(here)}).status_code == 303
    assert Visitor(app).sign_in("lea").status_code == 401


def test_a_session_that_was_given_by_hand_is_a_leavers_no_more_and_the_registry_is_told(there, leaves):
    over = there.session("Over", starts_min=-300, staff=[there.people["lea"]], kept_by_hand=True)
    alone = there.session("Alone", starts_min=60, staff=[there.people["lea"]], kept_by_hand=True)
    beside = there.session(
        "Beside", starts_min=120, staff=[there.people[one] for one in ("lea", "lou")], kept_by_hand=True
    )
    told = leaves("lea")
    # Hers of today, and the one by hand.
    assert "2 coming sessions were given to them alone by hand: they need somebody else." in told
    assert staff(there, alone) == {} and staff(there, beside) == {there.people["lou"]: "lecturer"}
    assert staff(there, over) == {there.people["lea"]: "lecturer"}, "what is over stays hers"


def test_what_a_leaver_covers_goes_back_to_who_handed_it_over(there, leaves):
    coming = there.session("Coming", starts_min=60, staff=[there.people["lea"]])
    lea, lou = there.people["lea"], there.people["lou"]
    scope = Scope(
        institution_id=there.world.institution_id, account_id=there.accounts["lea"], person_id=lea,
        grants=(Grant(role="lecturer"),),
    )  # fmt: skip
    with writing(there.world.engine) as connection:
        cover.hand_over(connection, scope, coming, lou, reason="", now_ms=there.now_ms)
    assert staff(there, coming) == {lea: "away", lou: "cover"}
    # Of the two that are not over only Lou's own is nobody's then.
    assert "1 coming session was given to them alone by hand" in leaves("lou")
    assert staff(there, coming) == {lea: "lecturer"}
    written = [row.kind for row in there.world.all(schema_work.history) if row.session_id == coming]
    assert written.count("cover") == 2


def test_nobody_is_offered_a_leaver_as_cover_or_hands_over_to_one(there, app, leaves):
    scope = Scope(
        institution_id=there.world.institution_id, account_id=there.accounts["rita"], person_id=None,
        grants=(Grant(role="registry"),),
    )  # fmt: skip

    def offered():
        with reading(there.world.engine) as connection:
            return {one.person_id for one in colleagues.free(connection, scope, there.sessions[0], there.now_ms + HOUR)}

    assert there.people["lou"] in offered()
    leaves("lou")
    assert there.people["lou"] not in offered() and there.people["hun"] in offered()
    lea = signed_in(app, "lea")
    fields = {"csrf": lea.csrf("/account"), "do": "give", "person": str(there.people["lou"]), "reason": "x"}
    assert lea.post(f"/sessions/{there.sessions[0]}/cover", fields).status_code in (400, 422)
    assert staff(there, there.sessions[0]) == {there.people["lea"]: "lecturer"}


def test_a_departments_registry_shuts_and_opens_no_account_that_is_for_the_whole_institution(there, app):
    """Accounts are for administrators: who belongs to a department may be the institution's registrar."""
    for name in ("rita", "hun"):
        values = {"person_id": there.people[name], "department_id": there.departments[1], "from_ms": 0}
        there.world.insert(schema_rights.person_department, **values)

    def send(by, name, do):
        path = f"/registry/people/{there.people[name]}/end"
        return by.post(path, form_of(by.get(path).text, path) | {"do": do})

    rex, other = signed_in(app, "rex"), signed_in(app, "admin")
    for do in ("look", "do"):
        answer = send(rex, "rita", do)
        assert answer.status_code == 403 and "registry" in answer.text
    assert Visitor(app).sign_in("rita").status_code == 303
    assert send(other, "rita", "do").status_code == 303
    assert Visitor(app).sign_in("rita").status_code == 401
    assert send(rex, "rita", "do").status_code == 403
    assert Visitor(app).sign_in("rita").status_code == 401, "nor does it let her in again"
    # The head of its own department is its own.
    assert send(rex, "hun", "do").status_code == 303
    assert Visitor(app).sign_in("hun").status_code == 401
