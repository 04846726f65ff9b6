"""The institution's audit: who did what, and when. For whoever may look at all of it, on a page, on paper and as a file.

What was done to a register stands in the register's own history, which is chained; this is beside it, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response

from server.declared import act
from server.errors import StoreError, TooMuch
from server.pages import audit_words, sheets
from server.pages.campus_words import many
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, id_in
from server.pages.local import Local, parse_day
from server.pages.local import words as day_words
from server.pages.rendering import page
from server.store import audit_lines, campus
from server.store.audit_lines import Line, Wanted
from server.store.engine import Connection, reading, writing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: days looked at where none is named, and at most
DAYS, MOST_DAYS = 7, 92
HEADINGS = ("Day", "Time", "Who", "About", "What")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is looked at, by the address."""

    since: str
    until: str
    account: str
    kind: str
    span: str
    wanted: Wanted

    @property
    def address(self) -> str:
        """The same again, after the ? of an address."""
        return f"since={self.since}&until={self.until}&account={self.account}&kind={self.kind}"


def _asked(local: Local, since: str, until: str, account: str, kind: str) -> _Asked:
    last = parse_day(until) or local.today()
    first = parse_day(since) or last - timedelta(days=DAYS - 1)
    first = min(max(first, last - timedelta(days=MOST_DAYS - 1)), last)
    whose, of_kind = id_in(account), kind if kind in audit_words.KINDS else ""
    return _Asked(
        since=first.isoformat(),
        until=last.isoformat(),
        account="" if whose is None else str(whose),
        kind=of_kind,
        span=day_words(first) if first == last else f"{day_words(first)} to {day_words(last)}",
        wanted=Wanted(
            from_ms=local.bounds(first)[0],
            to_ms=local.bounds(last)[1],
            account_id=whose,
            actions=audit_words.KINDS[of_kind][1] if of_kind else (),
        ),
    )


@router.get("/registry/audit")
@act(audit_lines.ACT)
def show(
    signed: Signed, since: str = "", until: str = "", account: str = "", kind: str = "", after: str = ""
) -> Response:
    """The lines of some days, the newest first. since, until: ISO days, both included. account: an id; 0: nobody's hand.
    after: the id of the last line that was read."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        asked = _asked(local, since, until, account, kind)
        found, more = audit_lines.lines(connection, signed.scope, asked.wanted, after=id_in(after))
        people = audit_lines.who(connection, signed.scope, asked.wanted.from_ms, asked.wanted.to_ms)
        lines = _lines(connection, signed, found, local)
    return page(
        signed.request,
        "audit.html",
        login=signed.login,
        asked=asked,
        lines=lines,
        people=_people(asked, people),
        nobody=str(audit_lines.NOBODY),
        nobody_words=f"{audit_words.NOBODY}, or its command line",
        kinds=[(key, name) for key, (name, _) in audit_words.KINDS.items()],
        older=found[-1].id if more else None,
        later=id_in(after) is not None,
    )


def _people(asked: _Asked, people: list[tuple[int, str]]) -> list[tuple[str, str]]:
    """Whom to choose from: the one who is chosen is among them, whether they did anything in these days or not."""
    found = [(str(key), name) for key, name in people]
    chosen = asked.account in ("", str(audit_lines.NOBODY), *(key for key, _ in found))
    return found if chosen else [*found, (asked.account, f"account {asked.account}")]


@router.get("/registry/audit/file")
@act(audit_lines.ACT)
def file(
    signed: Signed, since: str = "", until: str = "", account: str = "", kind: str = "", form: str = ""
) -> Response:
    """The same lines, all of them, as CSV, Excel or to print. That they were taken is itself in the audit."""
    if form not in sheets.FORMS:
        raise StoreError("export-form", f"choose how: {', '.join(sheets.FORMS)}")
    with writing(signed.engine) as connection:
        local = signed.local(connection)
        asked = _asked(local, since, until, account, kind)
        found, more = audit_lines.lines(connection, signed.scope, asked.wanted, limit=audit_lines.MOST)
        if more:
            raise TooMuch("audit-long", f"these are more than {audit_lines.MOST} lines: choose fewer days, or one kind")
        lines = _lines(connection, signed, found, local)
        campus.write_down(
            connection, signed.scope, "audit.export", "audit", local.now_ms, form=form, lines=len(lines),
            since=asked.since, until=asked.until,
        )  # fmt: skip
    if form == sheets.PRINT:
        return page(
            signed.request, "audit_print.html", login=signed.login, asked=asked, lines=lines,
            count=many(len(lines), "line"), printed=f"{local.dated(local.now_ms)}, {local.time(local.now_ms)}",
        )  # fmt: skip
    cells = [(one["day"], one["time"], one["by"], one["about"], one["what"]) for one in lines]
    headers = {"content-disposition": f'attachment; filename="audit-{asked.since}-{asked.until}.{form}"'}
    return Response(sheets.table(form, HEADINGS, cells, "Audit"), media_type=sheets.MEDIA[form], headers=headers)


def _lines(connection: Connection, signed: Visit, found: list[Line], local: Local) -> list[dict[str, Any]]:
    names = audit_lines.named(connection, signed.scope, found)
    acts = ("campus.read", "register.read", "request.read", "accounts.change", "residence.read")
    whole = {one: signed.scope.reach(one).all for one in acts}
    return [audit_words.line(one, names, whole, local) for one in found]
