"""The registry's forms: fields with their own problems, what a change would do, and only then doing it.

A form goes through three steps at one address: it is asked (GET), looked at (POST with do=look: what would follow is
said, nothing is changed), and done (POST with do=do). What was seen travels with it, and a number of its own, so that
a form sent twice does once what it says.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from typing import Annotated

from fastapi import Depends, Response
from fastapi.responses import RedirectResponse

from server.pages import words
from server.pages.desk import Visit
from server.pages.guard import check_csrf, form
from server.pages.local import Local, parse_day
from server.pages.rendering import page
from server.pages.words import Said
from server.store.campus import ChangedMeanwhile, FieldRefused

Form = Annotated[dict[str, str], Depends(form)]
LOOK, DO, BACK = "look", "do", "back"
_ONCE = re.compile(r"[0-9a-f]{32}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


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


class Answers:
    """What was filled in, with what is wrong with it by field."""

    def __init__(self, sent: Mapping[str, str], local: Local) -> None:
        self._sent, self._local = sent, local
        self.problems: dict[str, str] = {}

    def wrong(self, name: str, text: str) -> None:
        """Say what is wrong with a field; the first word counts."""
        self.problems.setdefault(name, text)

    def text(self, name: str, what: str, *, needed: bool = False, longest: int = 200) -> str:
        """A line of text, blanks tidied."""
        found = " ".join(self._sent.get(name, "").split())
        if needed and not found:
            self.wrong(name, f"Fill in {what}.")
        elif len(found) > longest:
            self.wrong(name, f"At most {longest} characters: shorten it.")
        return found

    def mail(self, name: str) -> str:
        """An e-mail address, or ''."""
        found = self.text(name, "the address", longest=254)
        if found and not _MAIL.fullmatch(found):
            self.wrong(name, "This is no e-mail address, such as name@example.org: correct it, or leave it empty.")
        return found

    def link(self, name: str) -> str:
        """A web address, or ''."""
        found = self.text(name, "the address", longest=500)
        if found and not re.fullmatch(r"https?://[^\s/]+\.?[^\s]*", found):
            self.wrong(name, "A web address begins with https:// – correct it, or leave it empty.")
        return found

    def chosen(self, name: str, options: Iterable[tuple[str, str]]) -> str:
        """One of the options' values."""
        found = self._sent.get(name, "")
        if found not in {value for value, _ in options}:
            self.wrong(name, "Choose one of the list.")
            return ""
        return found

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number."""
        found = self._sent.get(name, "").strip()
        if not (found.isascii() and found.isdigit() and len(found) <= 9 and least <= int(found) <= most):
            self.wrong(name, f"A whole number from {least} to {most}.")
            return least
        return int(found)

    def checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self._sent.get(name, "") == "yes"

    def day_ms(self, name: str, *, after: bool = False) -> int:
        """Epoch ms at which a local day begins; after: at which the next one does."""
        day = parse_day(self._sent.get(name, "").strip())
        if day is None:
            self.wrong(name, "Fill in a day, such as 2026-11-22.")
            return 0
        return self._local.bounds(day)[1 if after else 0]

    def at_ms(self, day_name: str, name: str, *, days: int = 0) -> int:
        """Epoch ms of a local time, of two fields; days: so many days after the one named."""
        day = parse_day(self._sent.get(day_name, "").strip())
        if day is not None:
            day = parse_day((day + timedelta(days=days)).isoformat())
        if day is None:
            self.wrong(day_name, "Fill in a day, such as 2026-11-22.")
        try:
            clock = time.fromisoformat(self._sent.get(name, "").strip()[:5])
        except ValueError:
            self.wrong(name, "Fill in a time, such as 09:30.")
            return 0
        at_ms = None if day is None else self._local.ms(day, clock)
        if day is not None and at_ms is None:
            self.wrong(name, "The clocks go forward on this day, and leave this time out: choose another.")
        return at_ms or 0

    def listed(self, name: str, known: Mapping[str, int], what: str) -> frozenset[int]:
        """Ids of what is named, one a line or with semicolons between; case does not matter."""
        plain = {key.casefold(): value for key, value in known.items()}
        wanted = [part.strip() for part in re.split(r"[\n;]", self._sent.get(name, "")) if part.strip()]
        unknown = [part for part in wanted if part.casefold() not in plain]
        if unknown:
            self.wrong(name, f"There is no {what} {', '.join(repr(one) for one in unknown[:3])}: correct it.")
        return frozenset(plain[part.casefold()] for part in wanted if part.casefold() in plain)


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
