"""API tokens: listed for their owner and for administrators, revoked by them, and gone with the password."""

import re

import pytest

from server.store import schema, schema_rights, tokens
from server.store.engine import writing
from tests.server.pages.school import PASSWORD, Visitor

NEW = "an entirely new one"


@pytest.fixture
def token(school):
    """`token("ada")`: a program's bearer token of that account."""

    def make(login, name="timetable"):
        with writing(school.world.engine) as connection:
            return tokens.make(connection, login, name, school.now_ms)

    return make


@pytest.fixture
def works(app):
    """`works(token)`: whether a program gets in with it."""

    def ask(found):
        answer = Visitor(app).http.get("/api/v1/me", headers={"authorization": f"Bearer {found}"})
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    return ask


def change(visitor, **fields):
    known = {"csrf": visitor.csrf("/account"), "now": PASSWORD, "new": NEW, "again": NEW}
    return visitor.post("/account/password", known | fields)


def test_a_new_password_ends_the_accounts_tokens_too(signed, token, works):
    mine, others = token("ada"), token("bob")
    assert works(mine)
    assert change(signed("ada")).status_code == 303
    assert not works(mine) and works(others)


def test_whoever_says_so_keeps_their_tokens(signed, token, works):
    mine, visitor = token("ada", "payroll"), signed("ada")
    text = visitor.get("/account").text
    assert "payroll" in text and 'name="keep_tokens"' in text
    assert change(visitor, keep_tokens="yes").status_code == 303
    assert works(mine)


def test_a_wrong_password_ends_no_token(signed, token, works):
    mine = token("ada")
    assert change(signed("ada"), now="wrong").status_code == 422
    assert works(mine)


def test_one_sees_ones_tokens_and_never_their_text_and_revokes_one(school, signed, token, works):
    mine, other = token("ada", "payroll"), token("ada", "timetable")
    visitor = signed("ada")
    text = visitor.get("/account").text
    assert "payroll" in text and mine not in text
    (path,) = re.findall(r'action="(/account/tokens/\d+/revoke)".*?Revoke<span[^>]*> payroll', text, re.DOTALL)[:1]
    assert visitor.post(path, {"csrf": visitor.csrf("/account")}).headers["location"] == "/account?said=token"
    assert not works(mine) and works(other)
    assert visitor.post(path, {"csrf": visitor.csrf("/account")}).status_code == 404, "once is enough"
    assert "payroll" not in visitor.get("/account").text
    assert [row.action for row in school.world.all(schema.audit)] == ["token.revoke"]


def test_nobody_revokes_a_token_of_somebody_elses_account_but_an_administrator(school, signed, token, works):
    mine = token("ada")
    (row,) = school.world.all(schema.api_token)
    bob, admin = signed("bob"), signed("admin")
    assert bob.post(f"/account/tokens/{row.id}/revoke", {"csrf": bob.csrf("/account")}).status_code == 404
    path = f"/accounts/{school.accounts['ada']}/tokens/{row.id}/revoke"
    assert bob.post(path, {"csrf": bob.csrf("/account")}).status_code == 403
    assert admin.post(f"/accounts/{school.accounts['bob']}/tokens/{row.id}/revoke",
                      {"csrf": admin.csrf("/account")}).status_code == 404  # fmt: skip
    assert works(mine)
    assert "timetable" in admin.get(f"/accounts/{school.accounts['ada']}").text
    assert admin.post(path, {"csrf": admin.csrf("/account")}).status_code == 303
    assert not works(mine)


@pytest.mark.parametrize("path, fields", [("password", {"password": NEW}), ("disable", {})])
def test_a_password_given_by_an_administrator_and_a_disabled_account_leave_no_token_and_no_passkey(
    school, signed, token, works, path, fields
):
    for name in ("ada", "bob"):
        school.world.insert(
            schema_rights.passkey, account_id=school.accounts[name], credential_id=name.encode(), public_key=b"k",
            name="of a thief", created_ms=1,
        )  # fmt: skip
    mine, admin = token("ada"), signed("admin")
    here = f"/accounts/{school.accounts['ada']}"
    assert admin.post(f"{here}/{path}", {"csrf": admin.csrf(here)} | fields).status_code == 303
    assert not works(mine)
    # An account that may sign in again is not opened by what was made before.
    admin.post(f"{here}/enable", {"csrf": admin.csrf(here)})
    assert not works(mine)
    revoked = {row.account_id: row.revoked_ms is not None for row in school.world.all(schema_rights.passkey)}
    assert revoked == {school.accounts["ada"]: True, school.accounts["bob"]: False}
