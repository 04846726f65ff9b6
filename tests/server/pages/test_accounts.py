"""Accounts: what their owners do with them, and what administrators do."""

import re

import pytest

from server.store import accounts, logins, rights, schema, schema_rights
from server.store.engine import writing
from tests.server.pages.school import HOSTILE, PASSWORD, Visitor

NEW = "an entirely new one"


def problem_of(text: str, field: str) -> str:
    found = re.search(rf'id="{field}-problem">([^<]*)', text)
    return found[1] if found else ""


def held(school, name: str) -> set:
    rows = school.world.all(schema_rights.account_role)
    return {(r.role, r.scope, r.scope_id) for r in rows if r.account_id == school.accounts[name] and r.to_ms is None}


def audited(school) -> list[str]:
    return [row.action for row in school.world.all(schema.audit)]


@pytest.fixture
def admin(signed):
    return signed("admin")


@pytest.fixture
def post(admin):
    """`post(path, **fields)` as the administrator, with the login's token."""

    def send(path, **fields):
        return admin.post(path, {"csrf": admin.csrf("/accounts")} | fields)

    return send


def test_changing_ones_password_ends_every_login_and_the_old_one_opens_nothing(app, signed):
    here, there = signed("ada"), signed("ada")
    answer = here.post("/account/password", {"csrf": here.csrf("/account"), "now": PASSWORD, "new": NEW, "again": NEW})
    assert answer.headers["location"] == "/sign-in?said=password"
    assert here.get("/today").status_code == 303 and there.get("/today").status_code == 303
    assert Visitor(app).sign_in("ada").status_code == 401
    assert Visitor(app).sign_in("ada", NEW).status_code == 303


@pytest.mark.parametrize(
    "fields, field, says",
    [
        ({"now": "wrong", "new": NEW, "again": NEW}, "now", "not your password now"),
        ({"now": PASSWORD, "new": "short", "again": "short"}, "new", "at least 10"),
        ({"now": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "new", "already"),
        ({"now": PASSWORD, "new": "ada12345678", "again": "ada12345678"}, "new", "little more than the login"),
        ({"now": PASSWORD, "new": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, "new", "repeats"),
        ({"now": PASSWORD, "new": NEW, "again": "another one"}, "again", "differs"),
        ({}, "now", "not your password now"),
    ],
)
def test_a_wrong_field_of_the_password_form_is_named_and_nothing_changes(school, signed, fields, field, says):
    visitor = signed("ada")
    before = school.world.all(schema.account)
    answer = visitor.post("/account/password", {"csrf": visitor.csrf("/account")} | fields)
    assert answer.status_code == 422
    assert says in problem_of(answer.text, field)
    assert 'aria-invalid="true"' in answer.text and NEW not in answer.text
    assert school.world.all(schema.account) == before
    assert visitor.get("/today").status_code == 200


def test_a_stolen_login_is_no_place_to_try_passwords_from(school, signed):
    visitor = signed("ada")
    fields = {"csrf": visitor.csrf("/account"), "new": NEW, "again": NEW}
    answers = [visitor.post("/account/password", fields | {"now": f"guess {n}"}).status_code for n in range(6)]
    assert answers == [422] * 5 + [409]
    assert visitor.post("/account/password", fields | {"now": PASSWORD}).status_code == 409
    school.now_ms += 5 * 60_000
    assert visitor.post("/account/password", fields | {"now": PASSWORD}).status_code == 303


def test_one_sees_ones_logins_and_ends_one_or_all(app, signed):
    here, there = signed("ada"), signed("ada")
    text = here.get("/account").text
    ends = re.findall(r"/account/logins/(\d+)/end", text)
    assert len(ends) == 2 and text.count("this one") == 2  # its tag, and the button that ends all
    other = max(map(int, ends))
    answer = here.post(f"/account/logins/{other}/end", {"csrf": here.csrf("/account")})
    assert answer.headers["location"] == "/account?said=ended"
    assert there.get("/today").status_code == 303 and here.get("/today").status_code == 200
    bob = signed("bob")
    assert bob.post(f"/account/logins/{min(map(int, ends))}/end", {"csrf": bob.csrf("/account")}).status_code == 404
    assert here.post("/account/logins/end", {"csrf": here.csrf("/account")}).headers["location"].startswith("/sign-in")
    assert here.get("/today").status_code == 303


def test_a_role_given_or_taken_ends_the_accounts_logins_and_holds_from_then_on(school, signed, admin, post):
    ada = signed("ada")
    assert ada.get("/doors").status_code == 403
    answer = post(f"/accounts/{school.accounts['ada']}/roles", role="technician", scope="institution", code="")
    assert answer.status_code == 303
    assert ada.get("/doors").status_code == 303, "the login before the role is over"
    ada = signed("ada")
    assert ada.get("/doors").status_code == 200
    text = admin.get(f"/accounts/{school.accounts['ada']}").text
    (taken,) = re.findall(r"(/accounts/\d+/roles/\d+/revoke).*?Take away<span[^>]*> technician", text, re.DOTALL)[-1:]
    assert post(taken).status_code == 303
    assert ada.get("/doors").status_code == 303
    assert signed("ada").get("/doors").status_code == 403 or held(school, "ada")
    assert {"account.grant", "account.revoke"} <= set(audited(school))


def test_a_role_is_given_in_a_department_or_course_by_its_code(school, post):
    department = school.world.insert(schema_rights.department, source="t", source_id="A", code="ART", title="Arts")
    path = f"/accounts/{school.accounts['bob']}/roles"
    assert post(path, role="head", scope="department", code=" ART ").status_code == 303
    assert post(path, role="curriculum", scope="course", code="CS101").status_code == 303
    assert ("head", "department", department) in held(school, "bob")
    assert {one[:2] for one in held(school, "bob")} >= {("curriculum", "course")}


@pytest.mark.parametrize(
    "fields, field, says",
    [
        ({"role": "king", "scope": "institution"}, "role", "choose one"),
        ({"role": "lecturer", "scope": "institution"}, "role", "already"),
        ({"role": "admin", "scope": "department", "code": "X"}, "scope", "does not hold there"),
        ({"role": "head", "scope": "department"}, "code", "say which department"),
        ({"role": "head", "scope": "department", "code": "none such"}, "code", "there is no department"),
        ({"role": "head", "scope": "institution", "code": "X"}, "code", "leave this empty"),
        ({"role": "head", "scope": "planet", "code": "X"}, "scope", "does not hold there"),
    ],
)
def test_a_wrong_field_of_the_role_form_is_named_and_nothing_is_given(school, post, fields, field, says):
    before = held(school, "ada")
    answer = post(f"/accounts/{school.accounts['ada']}/roles", **fields)
    assert answer.status_code == 422
    assert says.lower() in problem_of(answer.text, field).lower()
    assert held(school, "ada") == before and audited(school) == []


def test_a_student_is_a_person(school, post):
    answer = post(f"/accounts/{school.accounts['tess']}/roles", role="student", scope="institution")
    assert "no person" in problem_of(answer.text, "role")


def test_an_account_is_made_found_used_disabled_and_let_in_again(school, app, admin, post):
    school.world.insert(
        schema.person_external_id, person_id=school.ada, source="identifier", external_id="L-7", from_ms=1
    )
    fields = {"login": "new.one", "shown_name": "New One", "person": "L-7", "password": NEW, "role": "lecturer",
              "scope": "institution", "code": ""}  # fmt: skip
    address = post("/accounts", **fields).headers["location"].partition("?")[0]
    text = admin.find("/accounts", "new ONE").text
    assert "New One" in text and "tess" not in text
    visitor = Visitor(app)
    assert visitor.sign_in("new.one", NEW).status_code == 303
    session = school.session()
    assert visitor.get(f"/sessions/{session}").status_code == 200, "it is Ada's, and this is Ada's person"
    assert post(f"{address}/disable").status_code == 303
    assert visitor.get("/today").status_code == 303
    assert Visitor(app).sign_in("new.one", NEW).status_code == 401
    assert post(f"{address}/enable").status_code == 303
    assert Visitor(app).sign_in("new.one", NEW).status_code == 303
    assert post(f"{address}/password", password="yet another one").status_code == 303
    assert Visitor(app).sign_in("new.one", NEW).status_code == 401
    assert Visitor(app).sign_in("new.one", "yet another one").status_code == 303
    text = admin.get(address).text
    assert all(one in text for one in ("account made", "disabled", "enabled again", "new password given"))
    assert NEW not in text and "yet another one" not in text


@pytest.mark.parametrize(
    "wrong, field, says",
    [
        ({"login": ""}, "login", "1 to 64"),
        ({"login": "with blank"}, "login", "without blanks"),
        ({"login": "ada"}, "login", "already"),
        ({"shown_name": " "}, "shown_name", "other staff"),
        ({"password": "short"}, "password", "at least 10"),
        ({"person": "nobody's"}, "person", "no person has"),
        ({"role": ""}, "role", "choose one"),
        ({"role": "student"}, "person", "external id"),
        ({"scope": "department", "code": "none"}, "code", "there is no department"),
    ],
)
def test_a_wrong_field_of_a_new_account_is_named_kept_and_no_account_is_made(school, post, wrong, field, says):
    fields = {"login": "new", "shown_name": HOSTILE, "password": NEW, "role": "lecturer", "scope": "institution"}
    before = len(school.world.all(schema.account))
    answer = post("/accounts", **fields | wrong)
    assert answer.status_code == 422
    assert says.lower() in problem_of(answer.text, field).lower()
    assert "<script>alert" not in answer.text and NEW not in answer.text
    assert len(school.world.all(schema.account)) == before and audited(school) == []


def test_an_account_without_a_password_is_opened_by_none(school, app, post):
    post("/accounts", login="guest", shown_name="Guest", password="", role="technician", scope="institution")
    for password in ("", " ", "nobody has this password", "x" * 20):
        assert Visitor(app).sign_in("guest", password).status_code == 401


def test_an_account_that_is_nobodys_is_said_to_be_somebodys_and_is_theirs_from_then_on(school, app, post, admin):
    school.world.insert(
        schema.person_external_id, person_id=school.ada, source="identifier", external_id="L-7", from_ms=1
    )
    address = post("/accounts", login="lost", shown_name="Lost", person="", password=NEW, role="lecturer",
                   scope="institution", code="").headers["location"].partition("?")[0]  # fmt: skip
    session = school.session()
    visitor = Visitor(app)
    visitor.sign_in("lost", NEW)
    assert "not connected to a person yet: ask an administrator" in visitor.get("/today").text
    assert visitor.get(f"/sessions/{session}").status_code == 403
    assert "Nobody’s" in admin.get(address).text
    answer = post(f"{address}/person", person="nobody's")
    assert answer.status_code == 422 and "No person has" in problem_of(answer.text, "person")
    assert post(f"{address}/person", person="L-7").status_code == 303
    assert visitor.get("/today").status_code == 303, "who they are is what they see: they sign in again"
    assert visitor.sign_in("lost", NEW).status_code == 303
    assert visitor.get(f"/sessions/{session}").status_code == 200
    text = admin.get(address).text
    assert "Ada Lecturer" in text and 'value="L-7"' in text and "said whose it is" in text
    # A mistake is put right the same way.
    assert post(f"{address}/person", person="").status_code == 303
    visitor.sign_in("lost", NEW)
    assert visitor.get(f"/sessions/{session}").status_code == 403


def test_a_students_account_does_not_become_nobodys(school, post):
    school.world.insert(
        schema.person_external_id, person_id=school.students[0], source="identifier", external_id="S-1", from_ms=1
    )
    address = post("/accounts", login="stu", shown_name="Stu", person="S-1", password=NEW, role="student",
                   scope="institution", code="").headers["location"].partition("?")[0]  # fmt: skip
    before = school.world.all(schema.account)
    assert "is a student's" in problem_of(post(f"{address}/person", person="").text, "person").replace("&#39;", "'")
    assert school.world.all(schema.account) == before


def test_the_last_administrator_can_neither_be_disabled_nor_lose_the_role(school, admin, post):
    own = f"/accounts/{school.accounts['admin']}"
    (revoke,) = re.findall(r"/accounts/\d+/roles/\d+/revoke", admin.get(own).text)
    assert post(f"{own}/disable").status_code == 409
    assert "last administrator" in post(revoke).text
    post(f"/accounts/{school.accounts['tess']}/roles", role="admin", scope="institution")
    assert post(revoke).status_code == 303
    assert admin.get("/accounts").status_code == 303, "and with the role the login is over"


def test_only_administrators_come_to_accounts(school, signed):
    for name in ("ada", "tess"):
        visitor = signed(name)
        token = visitor.csrf("/account")
        assert visitor.get("/accounts").status_code == 403
        answer = visitor.post(f"/accounts/{school.accounts[name]}/roles", {"csrf": token, "role": "admin"})
        assert answer.status_code == 403
        assert ("admin", "institution", None) not in held(school, name)


def test_an_account_that_lost_its_roles_sees_its_own_page_and_nothing_else(school, signed):
    with writing(school.world.engine) as connection:
        connection.execute(
            schema_rights.account_role.update()
            .where(schema_rights.account_role.c.account_id == school.accounts["ada"])
            .values(to_ms=school.now_ms)
        )
    visitor = signed("ada")
    assert visitor.get("/").headers["location"] == "/account"
    assert "no role yet" in visitor.get("/account").text
    assert visitor.get("/today").status_code == 403


def test_granting_or_revoking_anywhere_ends_the_logins(world):
    """Whoever changes roles, a page or a command, goes through rights: there the logins end."""
    from tests.server.pages.school import HASHER

    with writing(world.engine) as connection:
        account_id = accounts.make(
            connection, world.institution_id, login_name="x", shown_name="x", password_hash=HASHER.hash(PASSWORD),
            role="lecturer", person_id=None, now_ms=world.now_ms,
        )  # fmt: skip
        for change in ("grant", "revoke"):
            token = logins.begin(connection, account_id, world.now_ms, hours=1).token
            assert logins.find(connection, token, world.now_ms) is not None
            if change == "grant":
                made = rights.grant(connection, world.institution_id, account_id, "technician", now_ms=world.now_ms)
            else:
                assert rights.revoke(connection, world.institution_id, made, world.now_ms)
                assert not rights.revoke(connection, world.institution_id, made, world.now_ms)
            assert logins.find(connection, token, world.now_ms) is None


def test_an_account_with_which_nobody_can_sign_in_says_so(school, admin, post):
    post("/accounts", login="guest", shown_name="Guest", password="", role="technician", scope="institution")
    guest = next(row.id for row in school.world.all(schema.account) if row.login == "guest")
    here, says = f"/accounts/{guest}", "Nobody can sign in with it"
    assert says in admin.get(here).text and "signs in through the college" not in admin.get(here).text
    school.world.insert(
        schema_rights.outside_identity, account_id=guest, issuer="https://p.example", subject="g", created_ms=1
    )
    assert says not in admin.get(here).text and "signs in through the college" in admin.get(here).text
    for do in ("disable", "enable"):
        assert post(f"{here}/{do}").status_code == 303
    assert says in admin.get(here).text, "its link has ended"
    assert says not in admin.get(f"/accounts/{school.accounts['ada']}").text


def test_whose_an_account_becomes_takes_over_what_opens_it_and_the_page_says_so(school, admin, post):
    here, says = f"/accounts/{school.accounts['bob']}", "whoever has them is the person that you name here"
    assert says not in admin.get(here).text
    for table, values in (
        (schema.api_token, {"name": "timetable", "token_hash": b"t"}),
        (schema_rights.passkey, {"credential_id": b"k", "public_key": b"k", "name": "k"}),
    ):
        school.world.insert(table, account_id=school.accounts["bob"], created_ms=1, **values)
    text = admin.get(here).text
    assert says in text and "It keeps its password and 1 API token and 1 passkey:" in text
    assert post(f"{here}/password", password="a new and long one").status_code == 303
    assert says not in admin.get(here).text, "they have ended"
