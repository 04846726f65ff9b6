"""Every page of the app, and who looks at it: out of the routes, so that a new page is visited without being named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.scope import ADMIN, FINANCE, HEAD, LECTURER, NONE, REGISTRY, RESIDENCE, STUDENT, TECHNICIAN
from tests.server.pages.college import College
from tests.server.walk.objects import MAKERS, noun_of
from tests.server.walk.walk import Route, Who, reach_of, routes_of

#: what a browser does not show, and why
NOT_PAGES = {
    "/": "leads on to a page",
    "/healthz": "for programs",
    "/metrics": "for programs",
    "/sign-in/provider": "leads on to the provider",
    "/sign-in/provider/back": "leads on from the provider",
    "/sessions/{session}/live": "a piece of the register, for htmx",
    "/sessions/{session}/class/live": "a piece of the class view, for htmx",
    "/doors/live": "a piece of the page of doors, for htmx",
    "/doors/map/live": "a piece of the map of doors, for htmx",
    "/registry/card-desk/live": "a piece of the page of the card desk, for htmx",
    "/sessions/{session}/export/file": "a file; as a page to print it is below",
    "/export/file": "a file; as a page to print it is below",
    "/registry/audit/file": "a file; as a page to print it is below",
    "/attachments/{attachment}": "a file",
    "/registry/imports/{schedule}/bad-rows": "a file",
    "/residence/worker.js": "a script",
    "/residence/houses/{house}/live": "a piece of the board, for htmx",
    "/residence/houses/{house}/missing/live": "a piece of the list, for htmx",
    "/residence/houses/{house}/roll-call/live": "the roll-call again, for a phone to keep",
    "/residence/houses/{house}/month/file": "a file",
}
#: whoever comes first and may: the one for whom the page is made
WHO = {
    LECTURER: "ada", REGISTRY: "rita", STUDENT: "sam", TECHNICIAN: "tess", HEAD: "hedda", ADMIN: "admin",
    FINANCE: "fay", RESIDENCE: "ros",
}  # fmt: skip


@dataclass(frozen=True)
class Visit:
    """An address that somebody opens. who None: nobody is signed in. status: what is answered."""

    name: str
    address: str
    who: str | None
    status: int = 200


def pages_of(app) -> list[Route]:
    """The routes that a browser opens."""
    return [one for one in routes_of(app) if one.method == "GET" and not one.is_api and one.path not in NOT_PAGES
            and one.said is not None]  # fmt: skip


def visits(college: College) -> Iterator[Visit]:
    """Every page once, as the role that uses it; then other states of them, and those for other roles."""
    for route in pages_of(college.served):
        who = _who(route)
        yield Visit(route.path, _address(college, route, who), who)
    yield from _more(college)


def _who(route: Route) -> str | None:
    assert route.said is not None
    if route.said.who == "public":
        return None
    if route.said.who == "signed-in":
        return WHO[LECTURER]
    return next(name for role, name in WHO.items() if reach_of(Who(name, role), route.said) != NONE)


def _address(college: College, route: Route, who: str | None) -> str:
    address = route.path
    for name in route.parameters:
        noun = noun_of(name)
        known = college.thing(noun)
        made = known if known is not None else MAKERS[noun](college, Who(who or WHO[LECTURER], None))[0]
        address = address.replace(f"{{{name}}}", str(made))
    return address


def _more(college: College) -> Iterator[Visit]:
    now, one, two = college.now, *college.students[:2]
    for name, address, who in (
        ("register of STEP", f"/sessions/{college.step}", "ada"),
        ("register with a flag", f"/sessions/{now}", "rita"),
        ("panel with a flag and a doubt", f"/sessions/{now}/people/{college.students[4]}", "rita"),
        ("panel with a flag", f"/sessions/{now}/people/{one}", "rita"),
        ("register that ended", f"/sessions/{college.before}", "ada"),
        ("register to come", f"/sessions/{college.later}", "ada"),
        ("register that is cancelled", f"/sessions/{college.cancelled}", "ada"),
        ("register past its deadline", f"/sessions/{college.asked_about}", "ada"),
        ("register as an auditor", f"/sessions/{college.before}", "otto"),
        ("cancellation taken back", f"/sessions/{college.cancelled}/cancel", "ada"),
        ("found to add", college.found("ada", f"/sessions/{now}/add", "stranger"), "ada"),
        ("today of all", "/today", "rita"),
        ("today of all, found", college.found("rita", "/today", "tutorial"), "rita"),
        ("today, what is on now", "/today?show=now", "hedda"),
        ("a day without sessions", "/today?day=2026-08-01", "ada"),
        ("everybody who was late", "/lateness?all=1", "ada"),
        ("absence of one's own", f"/absences/{college.absence}", "sam"),
        ("absence told by a parent", f"/absences/{college.told}", "ada"),
        ("absence granted", f"/absences/{college.leave}", "rita"),
        ("absences of a department", "/absences", "hedda"),
        ("absence of a student found", f"/absences/new?person={two}", "ada"),
        ("request as whoever decides", f"/requests/{college.request}", "rita"),
        ("request that is decided", f"/requests/{college.decided}", "ada"),
        ("request to take off a list", f"/requests/{college.removal}", "rita"),
        ("requests to decide", "/requests", "rita"),
        ("requests that are decided", "/requests?closed=yes", "rita"),
        ("asking past the deadline", f"/sessions/{college.asked_about}/request", "ada"),
        ("asking for bursary", f"/sessions/{college.asked_about}/request?kind=bursary", "hedda"),
        ("asking for a transfer", f"/sessions/{college.asked_about}/request?kind=transfer", "ada"),
        ("asking after a month", f"/sessions/{college.aged_month}/request", "hedda"),
        ("registry, found", college.found("rita", "/registry", "b"), "rita"),
        ("registry, nothing found", college.found("rita", "/registry", "nobody has this"), "rita"),
        ("card desk, whom to give a card", f"/registry/card-desk/give?tap={college.desk_tap}", "rita"),
        ("new card as it was tapped", f"/registry/people/{two}/card?tap={college.desk_tap}", "rita"),
        ("registry as an auditor", "/registry", "otto"),
        ("audit as an auditor", "/registry/audit?kind=residence", "otto"),
        ("audit, nothing that fits", "/registry/audit?since=2020-01-01&until=2020-01-01", "admin"),
        ("audit to print", "/registry/audit/file?form=print", "otto"),
        ("reports that are closed", "/compliance/reports?closed=yes", "rita"),
        ("unmarked registers of a department", "/compliance?since=2026-09-20", "hedda"),
        ("registers to print", f"/sessions/{college.before}/export/file?form=print", "ada"),
        ("export of one student", f"/export?student={one}", "rita"),
        ("emergency for residence staff", "/emergency?hours=1", "ros"),
        ("residence, the evening before", f"/residence/houses/{college.house}?day=2026-10-04", "ros"),
        ("residence, who was missing", f"/residence/houses/{college.house}/missing?day=2026-10-04", "ros"),
        ("residence, board as an auditor", f"/residence/houses/{college.house}?day=2026-10-04", "otto"),
        ("residence, somebody who was missing", f"/residence/residents/{college.students[8]}", "ros"),
        ("residence, consent in Hindi", f"/residence/residents/{two}/enrol?language=hi", "ros"),
        ("residence, flags that are closed", "/residence/flags?closed=yes", "ros"),
        ("misuse of cards, judged", "/misuse?closed=yes", "rita"),
        ("account without a person", "/account", "admin"),
        ("accounts, none found", college.found("admin", "/accounts", "nobody"), "admin"),
    ):
        yield Visit(name, address, who)
    yield Visit("not allowed", "/accounts", "ada", 403)
    yield Visit("not there", "/sessions/99999", "ada", 404)
    yield Visit("no such page", "/nowhere", "ada", 404)
    yield Visit("no such page, not signed in", "/nowhere", None, 404)
