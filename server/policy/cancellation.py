"""Whether a class may be cancelled, and brought back (LOUGH-11). Pure."""

from __future__ import annotations

from dataclasses import replace

from server.policy import allowed, moments
from server.policy.allowed import Answer, Facts
from server.policy.profile import Profile
from server.policy.sections import REASON
from server.policy.tiers import people


def may_cancel(profile: Profile, facts: Facts) -> Answer:
    """Whether the class may be cancelled now (LOUGH-11): by these roles, while marks may be changed without a request.

    Afterwards by the tier's own way (LOUGH-32 to 34): whoever asks by it for marks asks for the cancellation, and the
    registers team applies it.
    """
    name = profile.name
    cites = profile.cites("cancel.roles")
    found = allowed.tier_of(profile, facts)
    if facts.cancelled:
        return Answer(
            allowed=False, rule=f"{name}.cancelled", cites=cites, text="The class is cancelled already.", tier=found
        )
    if not facts.acting & set(profile.cancelled_by):
        text = f"A class is cancelled by {people(profile.cancelled_by)}."
        return Answer(allowed=False, rule=f"{name}.cancel.roles", cites=cites, text=text, tier=found)
    if not found.direct:
        asks = bool(facts.acting & set(found.roles))
        return Answer(
            allowed=False,
            rule=found.rule,
            cites=found.cites,
            text=found.text,
            tier=found,
            by_request=asks,
            needs=found.needs if asks else frozenset(),
        )
    return Answer(allowed=True, rule=f"{name}.cancel", cites=cites, tier=found)


def may_restore(profile: Profile, facts: Facts, *, cancelled_ms: int, by_person: bool) -> Answer:
    """Whether a cancelled class may be brought back now: on the day of its cancellation by whoever may cancel it, after
    that by a request, and never past the lock (STEP-3). by_person: somebody cancelled it, and not the timetable."""
    found = may_cancel(profile, replace(facts, cancelled=False))
    cites = profile.cites("cancel.roles")
    if not by_person:
        text = "The timetable cancelled this class: it comes back with the timetable's import."
        return Answer(allowed=False, rule=f"{profile.name}.restore.timetable", cites=cites, text=text, tier=found.tier)
    if found.allowed and moments.day_of(cancelled_ms, facts.zone) != moments.day_of(facts.now_ms, facts.zone):
        text = "A cancellation is taken back on its own day only. After that it is asked for, and the registers team checks."
        return Answer(
            allowed=False,
            rule=f"{profile.name}.restore.day",
            cites=cites,
            text=text,
            tier=found.tier,
            by_request=True,
            needs=frozenset({REASON}),
        )
    return found
