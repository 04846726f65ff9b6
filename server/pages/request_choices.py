"""What may be asked for, and by which tier: the choices of the form."""

from __future__ import annotations

from collections.abc import Callable

from server.errors import StoreError
from server.policy import allowed, tiers
from server.store import request_deciders, request_situations, request_terms
from server.store.engine import Connection
from server.store.request_kinds import BURSARY, CANCELLATION, MARKS, RESTORATION, SUBMISSION
from server.store.request_situations import Situation


def acting(now: Situation) -> frozenset[str]:
    """The roles that count here: a lecturer only where they staff the session (STEP-1, LOUGH-9)."""
    return now.stands.roles if now.stands.staffs else now.stands.roles - {"lecturer"}


def codes(connection: Connection, now: Situation) -> list[str]:
    """The marks that may be asked for, as for one student among others."""
    if not now.members:
        return []
    one = now.members[0]
    found = []
    for code in now.profile.codes:
        ((_, about),) = request_situations.facts(connection, now, {one: code}, reason=True, evidence=True).values()
        alone = allowed.Facts(
            **{**{name: getattr(about, name) for name in allowed.Facts.__dataclass_fields__},
               "current": None, "students_set": 1, "students_all": max(2, about.students_all),
               "trip_confirmed": True}
        )  # fmt: skip
        answer = allowed.may_set(now.profile, code, alone)
        if not answer.allowed and (answer.by_request or answer.approvals):
            found.append(code)
    return found


def tier(now: Situation, kind: str, codes: list[str]) -> tuple[tiers.Tier | None, bool]:
    """The tier that applies, and whether this scope may ask by it."""
    if kind == MARKS:
        return now.tier, bool(codes)
    if kind == BURSARY:
        found = now.bursary
        return found or now.tier, found is not None and bool(now.stands.roles & set(found.roles))
    if kind == CANCELLATION:
        return now.tier, _is_open(lambda: request_terms.of_cancellation(now))
    if kind == RESTORATION:
        found = request_deciders.tier_of(now, kind, kind) if now.tier.direct else now.tier
        return found, _is_open(lambda: request_terms.of_restoration(now))
    if kind == SUBMISSION:
        return request_deciders.tier_of(now, kind, ""), _is_open(lambda: request_terms.of_submission(now))
    return request_deciders.tier_of(now, kind, ""), not now.final


def _is_open(terms: Callable[[], object]) -> bool:
    try:
        terms()
    except StoreError:
        return False
    return True


def offered(now: Situation, kind: str) -> bool:
    """Whether the form has this kind at all, whoever asks."""
    if kind == BURSARY:
        return now.profile.bursary_tier is not None
    if kind == CANCELLATION:
        return not now.tier.direct and not now.final and now.session.cancelled_ms is None
    if kind == RESTORATION:
        return now.session.cancelled_by_account_id is not None and not now.final and _is_open(
            lambda: request_terms.of_restoration(now)
        )  # fmt: skip
    return kind != SUBMISSION or request_terms.is_late(now)
