"""No name and no number of a person ever stands in an address: addresses are kept by logs, proxies and browsers."""

import re
import tomllib
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from server.pages.rendering import HERE
from server.store import schema
from tests.rules import rule
from tests.server.pages.care_school import form_to, people
from tests.server.pages.care_school import send as send_form

KNOWN = tomllib.loads((Path(__file__).parent / "addresses.toml").read_text())["parameters"]
#: what a field of a form that asks by address may be: never one in which words are written
QUIET = {"hidden", "date", "month", "radio", "checkbox"}
#: names of persons, and of what they are found by
PERSONAL = {
    "q",
    "name",
    "number",
    "login",
    "email",
    "given",
    "family",
    "person_number",
    "external_id",
    "words",
    "reason",
}
FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.S)


@pytest.fixture
def school(school):
    people(school)
    return school


def stranger(school) -> None:
    """A student of another class."""
    person_id = school.person("Zenobia Quillfeather")
    other = school.world.insert(schema.class_group, source="test", source_id="z", code="Z", title="Z")
    school.world.enrol(other, person_id)
    school.world.insert(
        schema.person_external_id, person_id=person_id, source="identifier", external_id="ZQ778899", from_ms=0
    )


def parameters(app):
    """(route, parameter) of everything that an address may say after its ?."""
    for one in iter_route_contexts(app.routes):
        dependant = getattr(one, "dependant", None)
        if dependant is None:
            continue
        waits = [dependant]
        while waits:
            here = waits.pop()
            waits.extend(here.dependencies)
            for field in here.query_params:
                yield one.path, field.alias


def asked_by_address(text: str) -> list[str]:
    return [form for form in FORM.findall(text) if 'method="post"' not in form.partition(">")[0]]


def loud(form: str) -> list[str]:
    """Fields of a form that goes into an address, in which somebody could write."""
    fields = re.findall(r"<input\b[^>]*>", form)
    kinds = [(re.search(r'type="([^"]*)"', one), one) for one in fields]
    return [one for kind, one in kinds if kind is None or kind[1] not in QUIET] + re.findall(r"<textarea\b[^>]*>", form)


def test_every_parameter_of_an_address_is_known_and_is_nobodys_name(school):
    found = sorted(set(parameters(school.app())))
    assert len(found) > 40
    unknown = [f"{path}?{name}" for path, name in found if name not in KNOWN]
    assert not unknown, "posted (server/pages/sought.py), or a line in addresses.toml:\n" + "\n".join(unknown)
    assert not PERSONAL & set(KNOWN)
    used = {name for _, name in found}
    assert set(KNOWN) <= used, f"no address has these any more: {sorted(set(KNOWN) - used)}"


def test_no_page_reads_its_address_past_the_declared_parameters():
    """`request.query_params` would pass by the table: only what is fixed by others is read so."""
    pages = {path.name: path.read_text().count("query_params") for path in HERE.glob("*.py")}
    assert {name for name, many in pages.items() if many} <= {"provider.py", "sign_in.py"}


def test_no_form_that_goes_into_an_address_has_a_field_to_write_in():
    forms = {path.name: asked_by_address(path.read_text()) for path in (HERE / "templates").glob("*.html")}
    assert sum(map(len, forms.values())) > 5
    assert {name: loud(form) for name, some in forms.items() for form in some if loud(form)} == {}


@pytest.mark.parametrize(
    "form",
    ['<form action="/x"><input name="q" type="search"></form>', '<form method="get"><input name="who"></form>',
     '<form method="get" action="/x"><textarea name="a"></textarea></form>'],
)  # fmt: skip
def test_such_a_form_is_seen(form):
    assert [loud(one) for one in asked_by_address(form)] not in ([], [[]])


@rule("LOUGH-20")
def test_whatever_is_looked_for_its_words_stand_in_no_address(school, signed):
    """Through the real forms, without scripts: where a search leads, and every address on the page that it leads to."""
    session = school.session()
    stranger(school)
    searches = (("ada", f"/sessions/{session}/add"), ("reg", "/registry"), ("admin", "/accounts"), ("admin", "/today"))
    for name, path in searches:
        visitor = signed(name)
        for words in ("Quillfeather", "ZQ778899"):
            answer = send_form(visitor, form_to(visitor.get(path).text, f"{path}/find"), q=words)
            assert answer.status_code == 303, path
            page = visitor.get(answer.headers["location"])
            assert page.status_code == 200 and words in page.text, f"{path}: what was looked for is not shown again"
            if path.endswith(("/add", "/registry")):
                assert "Zenobia Quillfeather" in page.text, path
            addresses = [answer.headers["location"], *re.findall(r'(?:href|action|hx-get)="([^"]*)"', page.text)]
            assert not [one for one in addresses if words.casefold() in one.casefold()], path


def test_what_was_looked_for_opens_for_the_account_that_typed_it_and_nobody_else(school, signed):
    session = school.session()
    stranger(school)
    ada, admin = signed("ada"), signed("admin")
    answer = send_form(
        ada, form_to(ada.get(f"/sessions/{session}/add").text, f"/sessions/{session}/add/find"), q="zenobia"
    )
    address = answer.headers["location"]
    assert "Zenobia Quillfeather" in ada.get(address).text and "Zenobia Quillfeather" in signed("ada").get(address).text
    text = admin.get(address).text
    assert "Quillfeather" not in text and "zenobia" not in text
    for spoiled in (
        address[:-3],
        address + "A",
        address.partition("=")[0] + "=" + "A" * 900,
        address.partition("=")[0] + "=é",
    ):
        answer = ada.get(spoiled)
        assert answer.status_code == 200 and "Quillfeather" not in answer.text


def test_a_search_wants_the_logins_token_and_the_right_to_look(school, signed):
    session = school.session()
    for name, path in (("ada", f"/sessions/{session}/add"), ("reg", "/registry"), ("admin", "/accounts")):
        assert signed(name).post(f"{path}/find", {"csrf": "wrong", "q": "x"}).status_code == 403
    sam = signed("sam")
    for path in (f"/sessions/{session}/add", "/registry", "/accounts", "/today"):
        assert sam.post(f"{path}/find", {"csrf": sam.csrf("/account"), "q": "x"}).status_code == 403
    bob = signed("bob")
    assert bob.post(f"/sessions/{session}/add/find", {"csrf": bob.csrf("/account"), "q": "x"}).status_code == 404
