"""Setting marks by hand: one student's panel with how the mark came about, and several students at once.

Marks are only ever appended. Every form says which mark it has seen; what changed meanwhile is shown, never overwritten,
and a form that is sent twice sets one mark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from server.declared import act
from server.errors import NotFound, StoreError
from server.pages import panel, words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, id_in, is_htmx, number, pairs
from server.pages.register import Shown, changes, look, order_of, told, whole
from server.pages.upload import Sent, files_and_fields
from server.policy import lateness
from server.policy.profile import Profile
from server.policy.sections import EVIDENCE
from server.store import attachments, mark_evidence, page_register, registers, sessions
from server.store.attachments import Ready
from server.store.engine import Connection, reading, writing
from server.store.registers import MarksRefused, Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Upload = Annotated[Sent, Depends(files_and_fields)]

NOTE_LIMIT = 500
#: what stands for "no mark" in the form: codes are never empty
NO_MARK = ""
#: fields of one form at most: a box for each student of a large class, and a few more
MANY = 1000


async def many(request: Request) -> list[tuple[str, str]]:
    """Dependency: a form with a box for each student."""
    return await pairs(request, most=MANY)


Many = Annotated[list[tuple[str, str]], Depends(many)]


@router.get("/sessions/{session}/people/{person}")
@act("register.read")
def ask(signed: Signed, session: str, person: str, code: str = "") -> Response:
    """The panel with a student's mark, its history and the form. code: the mark that is to be chosen."""
    session_id, person_id = number(session, "session"), number(person, "student")
    fields = {"code": code[:8]} if code else {}
    with reading(signed.engine) as connection:
        return panel.answer(signed, connection, session_id, person_id, fields=fields)


@dataclass(frozen=True, kw_only=True)
class _Ask:
    """What a form asks for, of each of its students."""

    code: str | None
    late_min: int | None
    early_min: int | None
    note: str

    @property
    def no_minutes(self) -> bool:
        """Whether it does not say how many minutes were missed."""
        return self.late_min is None and self.early_min is None

    def is_now(self, now: page_register.Held | None, account_id: int) -> bool:
        """Whether this person has set exactly this already: the form was sent twice."""
        if now is None or now.source != "person" or now.by_account_id != account_id:
            return False
        return (self.code, self.late_min, self.early_min, self.note) == (
            now.code, now.late_min, now.early_min, now.note or ""
        )  # fmt: skip


@router.post("/sessions/{session}/people/{person}")
@act("register.mark")
def set_mark(signed: Signed, session: str, person: str, sent: Upload) -> Response:
    """Set a mark by hand, with its evidence where it needs some (LOUGH-22). Sent twice it is set once; changed meanwhile
    it is asked again."""
    fields = sent.fields
    session_id, person_id = number(session, "session"), number(person, "student")
    with reading(signed.engine) as connection:
        sessions.need(connection, signed.scope, session_id, "register.mark")
    try:
        files = sent.ready()
    except StoreError as error:
        return _not_set(signed, session_id, person_id, error, sent)
    try:
        with writing(signed.engine) as connection:
            found = sessions.need(connection, signed.scope, session_id, "register.mark")
            profile = signed.desk.profile(found.profile, found.starts_ms)
            wanted = _read(profile, fields)
            if wanted.code is not None and profile.codes[wanted.code].minutes and wanted.no_minutes:
                raise ValueError("Say how many minutes were missed: late, or left early.")
            _check(profile, found, wanted)
            seen = id_in(fields.get("seen", "")) or 0
            if files:
                _set_proven(signed, connection, session_id, person_id, seen, wanted, files)
            else:
                _set(signed, connection, session_id, {person_id: seen}, wanted)
    except (ValueError, StoreError) as error:
        return _not_set(signed, session_id, person_id, error, sent)
    if is_htmx(signed.request):
        triggers = {"look-again": "", "focus-on": f"c{person_id}"}
        return HTMLResponse(
            "",
            headers={"HX-Retarget": "#panel", "HX-Reswap": "delete", "HX-Trigger-After-Swap": json.dumps(triggers)},
        )
    return RedirectResponse(f"/sessions/{session_id}?said=mark", status_code=303)


def _not_set(signed: Visit, session_id: int, person_id: int, error: ValueError | StoreError, sent: Sent) -> Response:
    """The panel with what was wrong; what is no matter of the form goes on as it is."""
    if isinstance(error, StoreError) and error.code == "mark-person":
        raise NotFound("student", "there is no such student on this register") from error
    if isinstance(error, StoreError) and not error.mendable:
        raise error
    problem = words.sentence(error)
    if sent.arrived or sent.problem is not None:
        # No browser keeps a chosen file.
        problem += " Choose the files again."
    with reading(signed.engine) as connection:
        return panel.answer(signed, connection, session_id, person_id, problem=problem, fields=sent.fields)


@router.post("/sessions/{session}/marks")
@act("register.mark")
def set_marks(signed: Signed, session: str, sent: Many) -> Response:
    """One mark for several students: for one by its button or letter, for those selected, or for all without a mark.
    All or nothing."""
    fields = dict(sent)
    check_csrf(fields, signed.login)
    session_id = number(session, "session")
    order = order_of(fields.get("order", ""))
    with writing(signed.engine) as connection:
        found = sessions.need(connection, signed.scope, session_id, "register.mark")
        profile = signed.desk.profile(found.profile, found.starts_ms)
        shown = look(signed, connection, session_id, fresh=True)
        try:
            seen, fields = _who(shown, sent, fields)
            wanted = _read(profile, fields)
            if "all" in fields and wanted.code is None:
                # It would change nothing that is seen, and keep each card tapped later from marking anybody.
                raise ValueError("Who is not marked has no mark to take away: choose a mark.")
            said = _several(signed, connection, shown, seen, wanted)
        except (ValueError, StoreError) as error:
            if isinstance(error, StoreError) and not error.mendable:
                raise
            connection.rollback()
            return _refused(signed, connection, session_id, error, fields, order)
    if is_htmx(signed.request):
        # After the commit: who waits for a receipt at a door does not wait for this.
        with reading(signed.engine) as connection:
            shown = look(signed, connection, session_id, fresh=True)
        pieces = changes(signed, session_id, shown, fields.get("v", ""), order)
        return HTMLResponse(Markup("\n").join([*pieces, told(said)]))
    more = "&order=name" if order else ""
    return RedirectResponse(f"/sessions/{session_id}?said=marks{more}", status_code=303)


class _Minutes(ValueError):
    """A mark that needs minutes, and nothing says how many."""

    def __init__(self, person_id: int, code: str, name: str) -> None:
        super().__init__(f"Say how many minutes {name} missed: open the student and give them.")
        self.person_id, self.code = person_id, code


def _who(shown: Shown, sent: list[tuple[str, str]], fields: dict[str, str]) -> tuple[dict[int, int], dict[str, str]]:
    """person -> the mark that was seen of them; and the fields with the code that their button named."""
    if one := fields.get("set"):
        person, seen, code = [*one.split(".", 2), "", ""][:3]
        return {number(person, "student"): id_in(seen) or 0}, fields | {"code": code}
    if "all" in fields:
        seen = {one: row["mark_id"] for one, row in shown.snapshot.rows.items() if row["code"] is None}
        if not seen:
            raise ValueError("Everybody has a mark already.")
        return seen, fields
    found = [value.partition(".")[::2] for name, value in sent if name == "p"]
    if not found:
        raise ValueError("Select at least one student first.")
    return {number(person, "student"): id_in(seen) or 0 for person, seen in found}, fields


def _several(signed: Visit, connection: Connection, shown: Shown, seen: dict[int, int], wanted: _Ask) -> str:
    session = shown.snapshot.register.session
    profile = signed.desk.profile(session.profile, session.starts_ms)
    rows = shown.snapshot.rows
    needs = wanted.code is not None and profile.codes[wanted.code].minutes
    groups: dict[_Ask, dict[int, int]] = {}
    for person_id, mark_id in seen.items():
        if person_id not in rows:
            raise NotFound("student", "there is no such student on this register")
        mine = wanted
        if needs and wanted.no_minutes:
            missed = panel.missed(session, rows[person_id]["at_ms"], shown.local.now_ms)
            if missed is None:
                raise _Minutes(person_id, wanted.code or "", rows[person_id]["full_name"])
            mine = _Ask(code=wanted.code, late_min=missed, early_min=None, note=wanted.note)
        _check(profile, session, mine)
        groups.setdefault(mine, {})[person_id] = mark_id
    _set_all(signed, connection, session.id, groups)
    what = wanted.code or "no mark"
    if len(seen) == 1:
        return f"{what} for {rows[next(iter(seen))]['full_name']}."
    return f"{what} for {len(seen)} students."


def _set(signed: Visit, connection: Connection, session_id: int, seen: dict[int, int], wanted: _Ask) -> None:
    _set_all(signed, connection, session_id, {wanted: seen})


def _set_proven(
    signed: Visit,
    connection: Connection,
    session_id: int,
    person_id: int,
    seen: int,
    wanted: _Ask,
    files: Sequence[Ready],
) -> None:
    """Set one student's mark with evidence. The same mark with the same files was sent twice."""
    scope = signed.scope
    now = page_register.held(connection, session_id, [person_id]).get(person_id)
    there = mark_evidence.held(connection, scope.institution_id, session_id, person_id)
    if wanted.is_now(now, scope.account_id) and {one.sha256 for one in files} <= there:
        return
    mark_evidence.set_mark(
        connection,
        attachments.folder_of(signed.request.app.state.settings.data_dir),
        scope,
        signed.desk.profiles,
        session_id,
        _wanted(person_id, wanted, seen),
        files,
        now_ms=signed.now_ms(),
    )


def _wanted(person_id: int, wanted: _Ask, seen: int) -> Wanted:
    return Wanted(
        person_id=person_id,
        code=wanted.code,
        late_min=wanted.late_min,
        early_min=wanted.early_min,
        remark=wanted.note,
        seen_mark_id=seen,
    )


def _set_all(signed: Visit, connection: Connection, session_id: int, groups: dict[_Ask, dict[int, int]]) -> None:
    held = page_register.held(connection, session_id, [one for seen in groups.values() for one in seen])
    asked = [
        _wanted(person_id, wanted, mark_id)
        for wanted, seen in groups.items()
        for person_id, mark_id in seen.items()
        if not wanted.is_now(held.get(person_id), signed.scope.account_id)
    ]
    if asked:
        registers.set_marks(connection, signed.scope, signed.desk.profiles, session_id, asked, now_ms=signed.now_ms())


def _refused(
    signed: Visit, connection: Connection, session_id: int, error: Exception, fields: dict[str, str], order: str
) -> Response:
    """Nothing was set: say why, beside what the register shows now."""
    text = words.sentence(error)
    if _wants_evidence(error):
        text += " Open the student to give them."
    if not is_htmx(signed.request):
        return whole(signed, connection, session_id, order=order, problem=text, fields=fields)
    shown = look(signed, connection, session_id, fresh=True)
    pieces = changes(signed, session_id, shown, fields.get("v", ""), order)
    headers = {}
    if opens := _opens(error, fields.get("code", "")):
        headers["HX-Trigger-After-Settle"] = json.dumps({"open-panel": opens})
    return HTMLResponse(Markup("\n").join([*pieces, told(text, "bad")]), status_code=422, headers=headers)


def _opens(error: Exception, code: str) -> str | None:
    """Whose panel asks for what is missing, and with which mark."""
    if isinstance(error, _Minutes):
        return f"{error.person_id}.{error.code}"
    if isinstance(error, MarksRefused) and _wants_evidence(error):
        return f"{error.problems[0].person_id}.{code}"
    return None


def _wants_evidence(error: Exception) -> bool:
    if not isinstance(error, MarksRefused):
        return False
    answer = error.problems[0].answer
    return answer is not None and EVIDENCE in answer.needs and not answer.by_request


def _check(profile: Profile, session: Any, wanted: _Ask) -> None:
    """Raises ValueError where its minutes cannot be (LOUGH-14)."""
    told = lateness.wrong(
        profile,
        wanted.code,
        late_min=wanted.late_min,
        early_min=wanted.early_min,
        length_min=(session.ends_ms - session.starts_ms) // 60_000,
    )
    if told is not None:
        raise ValueError(told)


def _read(profile: Profile, fields: dict[str, str]) -> _Ask:
    """What the form asks for. Raises ValueError with what to correct."""
    code = fields.get("code", NO_MARK) or None
    if code == "-":
        raise ValueError("Choose the mark first.")
    if code is not None and code not in profile.codes:
        raise ValueError("Choose one of the marks in the list.")
    # Minutes belong to late (and to a shift); the fields may still hold those of the mark before.
    late = profile.takes_minutes(code)
    late_min, early_min = (_minutes(fields.get(name, "")) if late else None for name in ("late_min", "early_min"))
    note = fields.get("note", "").strip()
    if len(note) > NOTE_LIMIT:
        raise ValueError(f"A note has {NOTE_LIMIT} characters at most, and this one has {len(note)}: shorten it.")
    return _Ask(code=code, late_min=late_min, early_min=early_min, note=note)


def _minutes(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= 1440):
        raise ValueError("Minutes are a whole number from 0 to 1440: correct them.")
    return int(text)
