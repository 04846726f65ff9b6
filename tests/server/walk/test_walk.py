"""Every route, as every role, to one's own object and to another's: what happens is what the route's act says."""

import re
import tomllib
from pathlib import Path

import pytest

from server.scope import ROLES
from server.store import schema
from tests.server.walk.objects import MAKERS, noun_of
from tests.server.walk.walk import EITHER, NO, WHO, YES, InACluster, Walk, outcome, routes_of, wanted

#: some thousand requests, on a machine that does other things too
pytestmark = [pytest.mark.timeout(900), pytest.mark.long(10)]

#: (route, visitor, whose object) -> what happens
EXCEPTIONS = {
    (one["route"], who, whose): one["then"]
    for one in tomllib.loads((Path(__file__).parent / "exceptions.toml").read_text())["exception"]
    for who in one["who"].split()
    for whose in ([one["whose"]] if "whose" in one else ["own", "another's"])
}


#: on PostgreSQL with the proof: it takes as long again, and differs only in how the conditions are read
POSTGRES = pytest.param("postgres", marks=[pytest.mark.proof, pytest.mark.needs("postgres")])


@pytest.fixture(scope="module", params=["sqlite", POSTGRES])
def walk(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    if request.param == "sqlite":
        made = Walk(folder)
        yield made
        made.close()
        return
    store = InACluster(request.getfixturevalue("postgres_cluster"), request.getfixturevalue("empty_postgres"))
    made = Walk(folder, store)
    yield made
    made.close()
    store.drop()


@pytest.fixture(scope="module")
def routes(walk):
    found = list(routes_of(walk.app))
    assert len(found) > 40
    return found


def expected(route, who, *, first, owned):
    for name in (who.name, "*"):
        found = EXCEPTIONS.get((route.name, name, "own" if first else "another's"))
        if found is not None:
            return found
    return wanted(route, who, first=first, owned=owned)


def test_every_route_says_what_it_is_for(routes):
    silent = [route.name for route in routes if route.said is None]
    assert not silent, "above each of these stands @act(...), see server/declared.py:\n" + "\n".join(silent)


def test_every_noun_in_an_address_is_one_that_the_walk_can_make(routes):
    missing = {f"{{{name}}} in {route.name}" for route in routes for name in route.parameters
               if noun_of(name) not in MAKERS}  # fmt: skip
    assert not missing, "tests/server/walk/objects.py wants a function for:\n" + "\n".join(sorted(missing))


def test_every_role_is_walked():
    assert {who.role for who in WHO} == {*ROLES, None}


def test_every_exception_is_of_a_route_and_a_visitor_that_are_there(routes):
    names, visitors = {route.name for route in routes}, {who.name for who in WHO} | {"*"}
    assert [key for key in EXCEPTIONS if key[0] not in names or key[1] not in visitors] == []


@pytest.mark.parametrize("who", WHO, ids=lambda who: who.name)
def test_what_a_role_is_allowed_is_what_the_act_says(walk, routes, who):
    wrong, asked = [], 0
    for route in routes:
        if route.said is None or any(noun_of(name) not in MAKERS for name in route.parameters):
            continue
        walk.route = route
        pairs = [MAKERS[noun_of(name)](walk, who) for name in route.parameters]
        owned = any(one != other for one, other in pairs)
        for first in (True, False) if owned else (True,):
            then = expected(route, who, first=first, owned=owned)
            answer = walk.ask(route, who, first=first)
            asked += 1
            happened = outcome(answer)
            if happened != then and (then != EITHER or happened not in (YES, NO)):
                which = ("own" if first else "another's") if owned else "it"
                told = answer.text[-200:] if route.is_api else ""
                wrong.append(f"{route.name} ({which}): {happened} ({answer.status_code}{told}), should be {then}")
            if route.method != "GET" and happened != NO:
                walk.again()
    assert asked > 40
    assert not wrong, f"as {who.name}:\n" + "\n".join(wrong)


def test_nobody_who_is_not_signed_in_gets_anywhere_but_to_the_sign_in(walk, routes):
    wrong = []
    for route in routes:
        if route.said is None or route.said.who == "public":
            continue
        answer = walk.ask(route, None)
        away = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=")
        if not (answer.status_code == 401 if route.is_api else away and not answer.content):
            wrong.append(f"{route.name}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_no_form_does_anything_without_the_logins_own_token(walk, routes):
    """Whoever may do it: another site's page that sends the form with the cookie, but without the token, gets 403."""
    wrong = []
    for route in routes:
        if route.method == "GET" or route.is_api or route.said is None or route.said.who == "public":
            continue
        for who in WHO:
            if expected(route, who, first=True, owned=bool(route.parameters)) != YES:
                continue
            before = walk.world.all(schema.audit)
            answer = walk.ask(route, who, csrf=False)
            if answer.status_code != 403 or walk.world.all(schema.audit) != before:
                wrong.append(f"{route.name} as {who.name}: {answer.status_code}")
                walk.again()
            break
    assert not wrong, "\n".join(wrong)


#: as the issue has it: where each role works
HOME = {
    "student": "/me",
    "lecturer": "/today",
    "head-of-one": "/today",
    "curriculum-of-one": "/today",
    "registry": "/registry",
    "finance": "/requests",
    "residence": "/residence",
    "residence-of-one": "/residence",
    "technician": "/doors",
    "auditor": "/today",
    "administrator": "/today",
    "without-a-role": "/account",
}


def test_every_role_comes_home_to_a_page_of_its_own_and_every_entry_of_its_menu_opens(walk, routes):
    home = next(route for route in routes if route.name == "GET /")
    by_path = {route.path: route for route in routes if route.method == "GET"}
    wrong = []
    for who in WHO:
        address = walk.ask(home, who).headers["location"]
        if address != HOME.get(who.name, address):
            wrong.append(f"{who.name} comes home to {address}")
        answer = walk.ask(by_path[address], who)
        entries = re.findall(r'href="([^"]+)"', re.search(r"<nav.*?</nav>", answer.text, re.DOTALL)[0])
        opened = [(entry, walk.ask(by_path[entry], who).status_code) for entry in [address, *entries]]
        wrong += [f"{who.name}: {entry} is {status}" for entry, status in opened if status != 200]
    assert not wrong, "\n".join(wrong)
