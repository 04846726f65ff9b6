"""The registry's forms: fields with their own problems, what a change would do, and only then doing it.

A form goes through three steps at one address: it is asked (GET), looked at (POST with do=look: what would follow is
said, nothing is changed), and done (POST with do=do). What was seen travels with it, and a number of its own, so that
a form sent twice does once what it says.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Response
from fastapi.responses import RedirectResponse

from server.pages import words
from server.pages.campus_answers import Answers
from server.pages.desk import Visit
from server.pages.guard import check_csrf, form
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.words import Said
from server.store.campus import ChangedMeanwhile, FieldRefused

Form = Annotated[dict[str, str], Depends(form)]
LOOK, DO, BACK = "look", "do", "back"
_ONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a form. kind: text, email, url, search, date, time, number, choice, check, or lines (one a line)."""

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    #: of a choice: (value, words)
    options: tuple[tuple[str, str], ...] = ()
    #: of a text: what may be meant, offered while typing
    offered: tuple[str, ...] = ()
    hint: str = ""
    needed: bool = False
    longest: int = 200
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A form as it is shown. address: where it goes. seen: what it saw."""

    title: str
    address: str
    fields: tuple[Field, ...]
    #: where one came from
    back: tuple[str, str]
    seen: str
    #: said above the form: what holds, what to mind
    notes: tuple[Said, ...] = ()
    #: the button that looks, and the one that does it
    look: str = "See what follows"
    do: str = "Apply"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A form that came in."""

    fields: Mapping[str, str]
    do: str
    seen: str
    once: str
    answers: Answers = field(repr=False)


def sent(visit: Visit, fields: dict[str, str], local: Local) -> Sent:
    """A form that came in, from a page of this login. Raises NotAllowed(`csrf`)."""
    check_csrf(fields, visit.login)
    once = fields.get("once", "")
    return Sent(
        fields=fields,
        do=fields.get("do", LOOK),
        seen=fields.get("seen", "")[:64],
        once=once if _ONCE.fullmatch(once) else "",
        answers=Answers(fields, local),
    )


def show(visit: Visit, ask: Ask) -> Response:
    """The form, empty or with what is there now."""
    return _page(visit, ask, once=secrets.token_hex(16))


def step(
    visit: Visit, ask: Ask, came: Sent, effects: Callable[[], Sequence[Said]], make: Callable[[], Response]
) -> Response:
    """The form's next step: correct it, look at what follows, or do it.

    ask: with what is there now. effects: what would follow, changing nothing. make: does it, and says where to go on.
    """
    if came.answers.problems:
        return again(visit, ask, came)
    if came.do == BACK:
        return again(visit, replace(ask, seen=came.seen), came, status=200)
    try:
        if came.do == DO and came.once:
            return make()
        return look(visit, ask, came, effects())
    except (FieldRefused, ChangedMeanwhile) as error:
        return refused(visit, ask, came, error)


def again(visit: Visit, ask: Ask, came: Sent, problem: str = "", *, status: int = 422) -> Response:
    """The form as it was filled in, with what is wrong at each field."""
    fields = tuple(
        replace(one, value=_kept(one, came.fields), problem=came.answers.problems.get(one.name, ""))
        for one in ask.fields
    )
    notes = (Said("bad", problem), *ask.notes) if problem else ask.notes
    ask = replace(ask, fields=fields, notes=notes, seen=came.seen)
    return _page(visit, ask, once=came.once or secrets.token_hex(16), status=status)


def refused(visit: Visit, ask: Ask, came: Sent, error: FieldRefused | ChangedMeanwhile) -> Response:
    """The form again, where the store said no. Changed meanwhile: with what is there now, and nothing kept of before."""
    if isinstance(error, ChangedMeanwhile):
        note = Said("late", "This was changed while you looked. Below is what it is now: decide again.")
        return _page(visit, replace(ask, notes=(note, *ask.notes)), once=secrets.token_hex(16), status=409)
    came.answers.wrong(error.field, words.sentence(error))
    if any(one.name == error.field for one in ask.fields):
        return again(visit, ask, came)
    return again(visit, ask, came, problem=words.sentence(error))


def look(visit: Visit, ask: Ask, came: Sent, effects: Sequence[Said]) -> Response:
    """What would follow, and the button that does it. Nothing is changed yet."""
    shown = [(one.label, _words(one, _kept(one, came.fields))) for one in ask.fields]
    return page(
        visit.request,
        "campus_look.html",
        login=visit.login,
        ask=ask,
        shown=shown,
        hidden=[(one.name, _kept(one, came.fields)) for one in ask.fields],
        effects=list(effects),
        csrf=visit.login.csrf,
        # A form in a list saw only its line: what is there now is shown here, and is what was seen.
        seen=came.seen or ask.seen,
        once=came.once or secrets.token_hex(16),
    )


def done(address: str, said: str) -> Response:
    """On to the page that shows what was done."""
    return RedirectResponse(f"{address}?said={said}", status_code=303)


def _kept(one: Field, fields: Mapping[str, str]) -> str:
    return fields.get(one.name, "")[:4000]


def _words(one: Field, value: str) -> str:
    if one.kind == "check":
        return "yes" if value == "yes" else "no"
    if one.kind == "secret":
        return "given" if value else "none"
    return dict(one.options).get(value, value) or "–"


def _page(visit: Visit, ask: Ask, *, once: str, status: int = 200) -> Response:
    return page(
        visit.request,
        "campus_form.html",
        status=status,
        login=visit.login,
        ask=ask,
        csrf=visit.login.csrf,
        once=once,
        problems=[(one.name, one.label, one.problem) for one in ask.fields if one.problem],
    )
