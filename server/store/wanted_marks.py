"""Marks as somebody wants them, and why they cannot be set: the values, what changed meanwhile, the profile's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from server.errors import Refused
from server.policy import allowed
from server.policy.profile import Profile
from server.policy.sections import MINUTES
from server.scope import Scope
from server.store import derivations, standing, walk_ins
from server.store.schema import account, person_name
from server.store.schema_work import attachment

#: what was wrong with the values, not with the state of things
BAD_VALUES = ("mark-code", "mark-minutes", "mark-person", "mark-twice", "mark-evidence")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One student's mark as somebody wants it."""

    person_id: int
    #: None: takes the mark away
    code: str | None
    late_min: int | None = None
    early_min: int | None = None
    remark: str = ""
    #: the mark that held when they looked, 0: none; None: not said, and not compared
    seen_mark_id: int | None = None
    #: they looked at nothing: what a person set or verified stays
    blind: bool = False
    #: attachments that prove it
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why one student's mark cannot be set."""

    person_id: int
    code: str
    text: str
    #: what the profile's rules said: the tier, what is needed, whether it can be asked for
    answer: allowed.Answer | None = None


class MarksRefused(Refused):
    """Some marks cannot be set as wanted, so none was. `code` and text are the first problem's."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(first.code, first.text)
        self.problems = tuple(problems)
        if first.code in BAD_VALUES:
            self.status = 400


def need_possible(
    connection: Connection,
    found: Any,
    profile: Profile,
    wanted: list[Wanted],
    there: Mapping[int, Any],
    account_id: int | None,
) -> None:
    """Raises MarksRefused for values that no rule could allow."""
    on_it = set(standing.members(connection, found.id)) | set(there) | walk_ins.persons(connection, found.id)
    problems: list[Problem] = []
    before: set[int] = set()
    for one in wanted:
        if one.person_id in before:
            problems.append(Problem(person_id=one.person_id, code="mark-twice", text="this student is named twice"))
        before.add(one.person_id)
        if one.code is not None and one.code not in profile.codes:
            text = f"choose one of the marks {', '.join(profile.codes)}"
            problems.append(Problem(person_id=one.person_id, code="mark-code", text=text))
        if any(minutes is not None and not 0 <= minutes <= 1440 for minutes in (one.late_min, one.early_min)):
            text = "minutes are a whole number from 0 to 1440"
            problems.append(Problem(person_id=one.person_id, code="mark-minutes", text=text))
        if one.person_id not in on_it:
            text = "this person is not on the register"
            problems.append(Problem(person_id=one.person_id, code="mark-person", text=text))
        if one.evidence and not _is_evidence(connection, found.institution_id, one.evidence, account_id):
            text = "the supporting file is not there: attach it again"
            problems.append(Problem(person_id=one.person_id, code="mark-evidence", text=text))
    if problems:
        raise MarksRefused(problems)


def need_anothers(scope: Scope, wanted: list[Wanted]) -> None:
    """Staff may be on a class list themselves. Raises MarksRefused(`mark-own`) where they mark themselves."""
    if scope.person_id is not None and any(one.person_id == scope.person_id for one in wanted):
        text = "nobody sets a mark of their own: somebody else who marks this register must"
        raise MarksRefused([Problem(person_id=scope.person_id, code="mark-own", text=text)])


def _is_evidence(connection: Connection, institution_id: int, ids: tuple[int, ...], account_id: int | None) -> bool:
    """Whether these files are there. account_id: and theirs; a file of somebody else proves nothing of theirs."""
    query = select(attachment.c.id).where(
        attachment.c.id.in_(ids), attachment.c.institution_id == institution_id, attachment.c.erased_ms.is_(None)
    )
    if account_id is not None:
        query = query.where(attachment.c.by_account_id == account_id)
    return set(connection.execute(query).scalars()) == set(ids)


def _is_other(one: Wanted, row: Any | None) -> bool:
    """Whether the mark that holds is another than whoever wants this one has seen."""
    if one.seen_mark_id is not None:
        return one.seen_mark_id != (0 if row is None else row.id)
    return one.blind and row is not None and (row.verified or row.source == "person")


def need_seen(connection: Connection, wanted: list[Wanted], there: Mapping[int, Any]) -> None:
    """Raises MarksRefused(`mark-changed`) that says who changed what meanwhile."""
    changed = [
        there.get(one.person_id)
        for one in wanted
        if _is_other(one, there.get(one.person_id))
        # Sent twice, or two of one mind: what is wanted is what holds.
        and not is_so(one, there.get(one.person_id))
    ]
    if not changed:
        return
    rows = [row for row in changed if row is not None]
    persons = [row.person_id for row in rows]
    query = select(person_name.c.person_id, person_name.c.full_name).where(person_name.c.person_id.in_(persons))
    names = {row.person_id: row.full_name for row in connection.execute(query)}
    accounts = {row.by_account_id for row in rows if row.by_account_id is not None}
    query = select(account.c.id, account.c.shown_name).where(account.c.id.in_(accounts))
    hands = {row.id: row.shown_name for row in connection.execute(query)}
    problems = [
        Problem(
            person_id=row.person_id,
            code="mark-changed",
            text=f"{names.get(row.person_id, 'a student')} was set to {row.code or 'no mark'} by "
            f"{hands.get(row.by_account_id, 'the card reader')} while you looked: look again, then set it if need be",
        )
        for row in rows
    ]
    raise MarksRefused(
        problems or [Problem(person_id=0, code="mark-changed", text="the register changed meanwhile: look again")]
    )


def is_so(one: Wanted, held: Any) -> bool:
    """Whether a person has set exactly this already: the form was sent twice."""
    if held is None or held.source != "person" or one.remark or one.evidence:
        return False
    return (one.code, one.late_min, one.early_min) == (held.code, held.late_min, held.early_min)


def need_allowed(
    connection: Connection,
    scope: Scope,
    profile: Profile,
    found: Any,
    wanted: list[Wanted],
    there: Mapping[int, Any],
    approvals: frozenset[str],
    now_ms: int,
) -> dict[int, str]:
    """person id -> the rule that allows it. Raises MarksRefused(`mark-not-allowed`, `session-cancelled`)."""
    base = standing.facts(connection, scope, found, profile=profile, now_ms=now_ms)
    persons = [one.person_id for one in wanted]
    told = standing.told(connection, found, persons)
    came = standing.came_along(connection, found, persons)
    listed = standing.members(connection, found.id)
    everybody = {person: row.code for person, row in derivations.held_marks(connection, found.id).items()}
    after = everybody | {one.person_id: one.code for one in wanted}
    rules: dict[int, str] = {}
    problems: list[Problem] = []
    for one in wanted:
        known = told.get(one.person_id, standing.Told())
        held = there.get(one.person_id)
        answer = allowed.may_set(
            profile,
            one.code,
            replace(
                base,
                current=held.code if held is not None else None,
                students_set=sum(after.get(person) == one.code for person in listed),
                students_all=len(listed),
                reported_ms=known.reported_ms,
                has_reason=bool(one.remark) or known.has_reason,
                has_evidence=bool(one.evidence) or known.has_evidence,
                trip_confirmed=one.person_id in came,
                approvals=approvals,
            ),
        )
        if not answer.allowed:
            problems.append(Problem(person_id=one.person_id, code="mark-not-allowed", text=answer.text, answer=answer))
        elif MINUTES in answer.needs and one.late_min is None and one.early_min is None:
            text = "say how many minutes were missed: late, or left early"
            problems.append(Problem(person_id=one.person_id, code="mark-minutes", text=text))
        rules[one.person_id] = answer.rule
    if problems:
        raise MarksRefused(problems)
    return rules
