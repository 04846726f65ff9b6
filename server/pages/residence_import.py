"""Lists of houses, residents and duty staff taken in from CSV: looked at first, then done, all of it or nothing (DDU-12).

The same import as `muster import residence`: a list is the whole list of its source, and who is not on it any more
lives there, or is on duty there, no longer. So what would end is shown before anything is done.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import StoreError
from server.imports import residence, run
from server.imports.badrows import RowsRefused
from server.imports.summary import WORDS, Summary
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, same
from server.pages.rendering import page
from server.pages.upload import Sent, files_and_fields
from server.store import campus, institutions
from server.store.campus import FieldRefused
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Upload = Annotated[Sent, Depends(files_and_fields)]
MANAGE = "residence.manage"
AT = "/residence/registry/import"
#: what a list is of -> (its name, its file, what the importer calls its rows)
KINDS = {
    "houses": ("Houses", residence.HOUSES, "houses"),
    "residents": ("Residents", residence.RESIDENTS, "residents"),
    "duty": ("Duty staff", residence.DUTY, "duties"),
}
#: characters of a list that the form can carry from looking to doing; bad rows and changes of one sort that are shown
LONGEST, BAD_SHOWN, TOLD = 200_000, 50, 20
_PIECE = 15_000
_SAID = {"added": "new", "changed": "changed", "moved": "moved", "ended": "ended"}


@router.get(AT)
@act(MANAGE)
def ask(signed: Signed) -> Response:
    """Which list, and its file."""
    campus.need_whole(signed.scope, MANAGE)
    return _page(signed)


def _page(signed: Visit, **values: Any) -> Response:
    problem: StoreError | None = values.pop("problem", None)
    shown = {"kind": "residents", "found": None, "bad": [], "pieces": []} | values
    return page(
        signed.request,
        "residence_import.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        kinds=KINDS,
        columns=residence.COLUMNS,
        optional=residence.OPTIONAL,
        problem=None if problem is None else words.sentence(problem),
        **shown,
    )


@router.post(AT)
@act(MANAGE)
def take(signed: Signed, sent: Upload) -> Response:
    """do=look: what would follow, nothing is changed. do=do: it is done, if it still is what was looked at."""
    campus.need_whole(signed.scope, MANAGE)
    fields = sent.fields
    kind = fields.get("kind", "")
    try:
        if kind not in KINDS:
            raise FieldRefused("kind", "kind", "choose what the list is of")
        data = _data(sent)
        looked = _import(signed, kind, data, dry=True)
        seen, confirm = _digest(looked.summary), fields.get("sure") == "yes"
        problem: StoreError | None = None
        if fields.get("do") == "do":
            if not same(fields.get("seen", ""), seen):
                problem = FieldRefused("file", "file", "something changed meanwhile: look at what follows once more")
            elif looked.stops and not confirm:
                problem = FieldRefused("sure", "sure", "so many would end or move: tick that it is right, or leave it")
            else:
                _import(signed, kind, data, dry=False, confirm=confirm)
                signed.request.app.state.wake()
                return RedirectResponse("/residence/registry?said=imported", status_code=303)
    except RowsRefused as error:
        bad = [(one.line, one.text) for one in error.rows]
        return _page(signed, kind=kind, found={"many": len(bad)}, bad=bad[:BAD_SHOWN])
    except StoreError as error:
        if error.status >= 500:
            raise
        return _page(signed, problem=error, kind=kind if kind in KINDS else "residents")
    text = data.decode("utf-8-sig")
    pieces = [text[n : n + _PIECE] for n in range(0, len(text), _PIECE)]
    found = {"seen": seen, "stops": looked.stops, "notes": looked.summary.notes, "sorts": _sorts(kind, looked.summary)}
    return _page(signed, kind=kind, found=found, pieces=pieces, problem=problem)


def _data(sent: Sent) -> bytes:
    if sent.problem is not None:
        raise sent.problem
    kept = "".join(sent.all("piece"))
    if kept:
        # A form's line ends are CRLF, whatever the file's were.
        return kept.encode()
    if not sent.arrived:
        raise FieldRefused("file", "file", "choose the file, a CSV in UTF-8")
    (one, *_) = sent.arrived
    if one.size > LONGEST:
        raise FieldRefused("file", "file", "this list is too long for the page: use `muster import residence`")
    return one.path.read_bytes()


def _import(signed: Visit, kind: str, data: bytes, *, dry: bool, confirm: bool = False) -> run.Done:
    state = signed.request.app.state
    with reading(signed.engine) as connection:
        here = institutions.one(connection, signed.login.institution_id)
    store = run.Store(
        engine=signed.engine, clock=state.clock, vault=state.vault, institution=here, profiles=signed.desk.profiles
    )
    return run.import_residence_files(store, signed.scope, {KINDS[kind][1]: data}, dry=dry, confirm=confirm)


def _sorts(kind: str, summary: Summary) -> list[dict[str, Any]]:
    """How many of each sort of change, and the first of them."""
    what = KINDS[kind][2]
    counts = summary.counts.get(what, {})
    found = []
    for how in WORDS:
        texts = [one.text for one in summary.items if (one.what, one.how) == (what, how)]
        if texts or how in ("added", "ended"):
            more = max(0, len(texts) - TOLD)
            found.append({"how": _SAID[how], "many": counts.get(how, 0), "texts": texts[:TOLD], "more": more})
    return [one for one in found if one["many"] or one["how"] in ("new", "ended")]


def _digest(summary: Summary) -> str:
    """Stands for what follows, so that nothing else is done than what was looked at."""
    told = "\n".join(f"{one.what} {one.how} {one.text}" for one in summary.items)
    return hashlib.sha256(told.encode()).hexdigest()
