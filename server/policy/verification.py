"""Verifying a register: its lecturer saves it, and its marks count (STEP-18, STEP-19). Pure."""

from __future__ import annotations

from server.policy import deadlines, moments
from server.policy.allowed import Answer, Facts, tier_of
from server.policy.profile import Profile
from server.policy.tiers import people


def counts(profile: Profile, *, verified: bool) -> bool:
    """Whether a mark counts: at once, or where the profile wants it once it is verified."""
    return verified or not profile.verification_needed


def saved(profile: Profile, code: str | None) -> str | None:
    """What a student has once the register is verified: their mark, or where there is none what was shown (STEP-18)."""
    return code if code is not None else profile.shown


def may_verify(profile: Profile, facts: Facts) -> Answer:
    """Whether the register may be verified now: by its lecturer, from the start on, while marks are changed directly."""
    name, cites = profile.name, profile.cites("derive.verification_needed")
    found = tier_of(profile, facts)

    def refuse(why: str, text: str) -> Answer:
        return Answer(allowed=False, rule=f"{name}.verify.{why}", cites=cites, text=text, tier=found)

    if facts.cancelled:
        return refuse("cancelled", "The class is cancelled: there is nothing to verify.")
    if not facts.acting & set(profile.verified_by):
        return refuse("by", f"A register is verified by {people(profile.verified_by)}.")
    if facts.now_ms < facts.starts_ms:
        return refuse("before", f"It can be verified from {moments.said(facts.starts_ms, facts.zone)} on.")
    late = deadlines.submission(
        profile,
        starts_ms=facts.starts_ms,
        ends_ms=facts.ends_ms,
        mode=facts.mode,
        zone=facts.zone,
        now_ms=facts.now_ms,
    )
    if late is not None and late.breach_ms is not None and not facts.submitted:
        text = (
            f"It was to be submitted by {moments.said(late.breach_ms, facts.zone)}. Later the state body must approve "
            "it: ask for the late submission with a reason and proofs."
        )
        cites = profile.cites("programme.late_submissions")
        return Answer(allowed=False, rule=f"{name}.verify.late", cites=cites, text=text, tier=found, by_request=True)
    if not found.roles or (profile.verification_needed and not found.direct):
        return Answer(allowed=False, rule=found.rule, cites=found.cites, text=found.text, tier=found)
    return Answer(allowed=True, rule=f"{name}.verify", cites=cites, tier=found)
