"""A session's live register (LOUGH-6): the page, and the pieces that replace what changed while it is open.

Each second the page asks with the version it shows. If nothing changed the answer is 204, after a few small queries.
If something did, only the rows concerned and what stands above them are sent; each takes the place of the element with
its id, so that nothing flickers and the focus stays. Setting marks and verifying (verifying.py) answer with the same
pieces.
"""

from __future__ import annotations

import dataclasses
from operator import itemgetter
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from server.declared import act
from server.pages import about, card_words, verify_words, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, clean, number
from server.pages.local import Local
from server.pages.rendering import TEMPLATES, page, piece
from server.pages.snapshots import LASTS_MS, Snapshot
from server.store import (
    card_doubts,
    colleagues,
    flagged_taps,
    occasions,
    page_register,
    registers,
    verifying,
    walk_ins,
)
from server.store.engine import Connection, reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: how often an open register asks: while cards may come, and afterwards
LIVE_S, CALM_S, CALM_AFTER_MS = 1, 5, 15 * 60_000
#: what a tap with a signing card rests on is judged anew so often: a late tap elsewhere may change it
JUDGED_MS = 60_000
#: how rows may be ordered: whoever was not seen first, or by name alone
UNSEEN, NAME = "", "name"
_ROWS = TEMPLATES["_rows.html"].module
#: a row as the template takes it
LINE = itemgetter(
    "person_id",
    "mark_id",
    "fresh",
    "code",
    "kind",
    "full_name",
    "external_id",
    "words",
    "notes",
    "walk_in",
    "listed",
    "at",
)
_lines, _body, _names = _ROWS.lines, _ROWS.body, _ROWS.names  # type: ignore[attr-defined]  the template's macros


class Shown(NamedTuple):
    """A register as a page shows it now."""

    digest: str
    snapshot: Snapshot
    summary: dict[str, Any]
    local: Local
    #: what whoever looks may do with it: acts of server/scope.py
    acts: frozenset[str]
    #: person -> flag -> what may be misuse, of open flags that rest on a tap of this session, for those who read them
    flags: dict[int, dict[int, str]]

    @property
    def version(self) -> str:
        """Stands for everything that the page shows."""
        return f"{self.digest}-{words.digest(self.summary)}"


def look(signed: Visit, connection: Connection, session_id: int, *, fresh: bool) -> Shown:
    """The register now. fresh: read even if its version says that nothing changed. Raises NotFound(`session`)."""
    desk, local = signed.desk, signed.local(connection)
    version, acts = page_register.reached(connection, signed.scope, session_id)
    found = None if fresh else desk.snapshots.newest(session_id, version, local.now_ms)
    if found is None:
        made = _read(signed, connection, session_id, local)
        found = desk.snapshots.put(session_id, made), made
    digest, snapshot = found
    flags = flagged_taps.of_session(connection, signed.scope, session_id, local.now_ms)
    if flags:
        # Whoever reads flags sees more than others do, who share the snapshot.
        snapshot = dataclasses.replace(snapshot, rows=card_words.flagged(snapshot.rows, flags))
        digest = desk.snapshots.put_beside(session_id, snapshot)
    session = snapshot.register.session
    doors = page_register.doors_of(connection, session_id)
    taps = page_register.unmatched(connection, session, [one.reader_id for one in doors])
    profile = desk.profile(session.profile, session.starts_ms)
    summary = {
        "counts": snapshot.numbers,
        "due": about.due(profile, snapshot, local),
        "tier": about.tier(profile, snapshot, local),
        "notes": [
            *words.evidence(snapshot.register, doors, local),
            *words.outages(snapshot.register.outages, local),
            *snapshot.shifts,
        ],
        "unmatched": words.unmatched(taps),
        "verify": verify_words.verification(
            profile,
            snapshot.register,
            snapshot.numbers,
            verifying.may(connection, signed.scope, profile, session_id, local.now_ms),
            local,
            seen=verify_words.shown_to(
                profile, ((row["person_id"], row["mark_id"], row["listed"]) for row in snapshot.rows.values())
            ),
        )
        if "register.verify" in acts and profile.verification_needed
        else None,
    }
    return Shown(digest, snapshot, summary, local, acts, flags)


def _read(signed: Visit, connection: Connection, session_id: int, local: Local) -> Snapshot:
    desk = signed.desk
    register = registers.register_of(connection, signed.scope, session_id, desk.profiles)
    profile = desk.profile(register.session.profile, register.session.starts_ms)
    # Who was added by hand is on no list: mostly there is nobody to ask about.
    guests = walk_ins.persons(connection, session_id) if not all(row.listed for row in register.rows) else set()
    shifts = ()
    if profile.programme is not None:
        used = occasions.used(connection, profile, register.session, local.zone)
        shifts = tuple(words.shifts(profile, register.session, register.rows, used))
    rows = words.rows_of(profile, register.rows, local, session=register.session, guests=guests)
    last = desk.snapshots.last(session_id)
    judged = last is not None and local.now_ms < last.judged_until_ms <= local.now_ms + JUDGED_MS
    taps = card_doubts.of_session(connection, session_id, last.taps if last is not None and judged else {})
    card_words.onto(rows, taps.values())
    return Snapshot(
        version=register.version,
        until_ms=local.now_ms + LASTS_MS,
        register=dataclasses.replace(register, rows=()),
        rows=rows,
        numbers=words.counts(profile, register.rows),
        about=about.extras(connection, profile, register.session, local),
        shifts=shifts,
        taps=taps,
        judged_until_ms=last.judged_until_ms if last is not None and judged else local.now_ms + JUDGED_MS,
    )


def quick(signed: Visit, shown: Shown) -> list[dict[str, str]] | None:
    """The marks that a row offers at once; None: whoever looks sets none here."""
    session = shown.snapshot.register.session
    if "register.mark" not in shown.acts or session.cancelled_ms is not None:
        return None
    if shown.local.now_ms < session.opens_ms:
        return []
    return words.quick(signed.desk.profile(session.profile, session.starts_ms))


def _summary(signed: Visit, session_id: int, shown: Shown, *, oob: bool) -> Markup:
    return piece("_summary.html", session_id=session_id, csrf=signed.login.csrf, oob=oob, **shown.summary)


def _poll(session_id: int, shown: Shown, order: str) -> Markup:
    calm = shown.local.now_ms > shown.snapshot.register.session.closes_ms + CALM_AFTER_MS
    address = f"/sessions/{session_id}/live"
    return piece(
        "_poll.html",
        address=address,
        version=shown.version,
        more="&order=name" if order == NAME else "",
        seconds=CALM_S if calm else LIVE_S,
    )


def _rows(signed: Visit, session_id: int, shown: Shown, order: str, *, oob: bool) -> Markup:
    rows = list(shown.snapshot.rows.values())
    if order != NAME:
        rows.sort(key=lambda row: (row["code"] is not None, row["at"] is not None))
    return _body([LINE(row) for row in rows], session_id, _buttons(signed, shown), oob)


def _buttons(signed: Visit, shown: Shown) -> list[tuple[str, str]] | None:
    """Those marks as the rows print them: the code, escaped, and its kind."""
    marks = quick(signed, shown)
    return None if marks is None else [(str(escape(one["code"])), one["kind"]) for one in marks]


def changes(signed: Visit, session_id: int, shown: Shown, v: str, order: str) -> list[Markup]:
    """Everything that takes the place of what a page of version v shows."""
    rows, summary = clean(v, 64).partition("-")[::2]
    pieces = [_poll(session_id, shown, order)]
    if summary != words.digest(shown.summary):
        pieces.append(_summary(signed, session_id, shown, oob=True))
    if rows == shown.digest:
        return pieces
    before = signed.desk.snapshots.by_digest(session_id, rows)
    changed = shown.snapshot.changed_since(before) if before is not None else None
    if changed is None:
        pieces.append(Markup("<template>{}</template>").format(_rows(signed, session_id, shown, order, oob=True)))
        return pieces
    lines = _lines([LINE(row) for row in changed], session_id, _buttons(signed, shown), True)
    pieces.append(Markup("<template>{}</template>").format(lines))
    arrived = [row["full_name"] for row in changed if row["fresh"]]
    if arrived:
        pieces.append(
            Markup('<p id="said" class="hidden" role="status" hx-swap-oob="innerHTML">{}</p>').format(
                f"{', '.join(arrived[:3])}{' and others' if len(arrived) > 3 else ''}: card tapped"
            )
        )
    return pieces


def whole(
    signed: Visit,
    connection: Connection,
    session_id: int,
    *,
    order: str = UNSEEN,
    said: str | None = None,
    problem: str | None = None,
    status: int = 422,
    fields: dict[str, str] | None = None,
) -> Response:
    """The register's page. problem: what could not be done, above everything, and by which status; fields: what stood in
    its form."""
    shown = look(signed, connection, session_id, fresh=True)
    session = shown.snapshot.register.session
    profile = signed.desk.profile(session.profile, session.starts_ms)
    handed = None
    if "register.mark" not in shown.acts and signed.scope.person_id is not None:
        handed = colleagues.handed_over(connection, signed.scope, session_id)
    return page(
        signed.request,
        "register.html",
        handed=[one.full_name for one in handed] if handed is not None else None,
        status=status if problem else 200,
        live=True,
        login=signed.login,
        session=about.heading(shown.snapshot.register.session, shown.local),
        session_id=session_id,
        acts=shown.acts,
        order=order,
        said=said,
        problem=problem,
        summary=_summary(signed, session_id, shown, oob=False),
        rows=_rows(signed, session_id, shown, order, oob=False),
        names=_names(words.quick(profile)),
        poll=_poll(session_id, shown, order),
        columns=3 if quick(signed, shown) is None else 4,
        keys=words.keys(profile),
        codes=[code for code in profile.codes.values() if code.code != profile.cancels_to],
        minutes=any(profile.takes_minutes(code) for code in profile.codes),
        verifies=profile.verification_needed,
        fields=fields or {},
        about=shown.snapshot.about,
        csrf=signed.login.csrf,
        cancelled=session.cancelled_ms is not None,
    )


def order_of(text: str) -> str:
    """The order that an address or a form asks for."""
    return NAME if text == NAME else UNSEEN


@router.get("/sessions/{session}")
@act("register.read")
def register(signed: Signed, session: str, said: str = "", order: str = "") -> Response:
    """The register's page."""
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        return whole(signed, connection, session_id, order=order_of(order), said=about.SAID.get(said))


@router.get("/sessions/{session}/live")
@act("register.read")
def live(signed: Signed, session: str, v: str = "", order: str = "") -> Response:
    """What changed since the page showed version v: 204 if nothing did."""
    session_id = number(session, "session")
    with reading(signed.engine) as connection:
        shown = look(signed, connection, session_id, fresh=False)
        if v == shown.version:
            return Response(status_code=204)
        return HTMLResponse(Markup("\n").join(changes(signed, session_id, shown, v, order_of(order))))


def told(text: str, kind: str = "good") -> Markup:
    """What was done, or why not: said where the page shows it, and to whoever listens to the page."""
    role = "alert" if kind == "bad" else "status"
    return Markup('<p id="told" class="told {}" role="{}" hx-swap-oob="true">{}</p>').format(kind, role, text)
