"""What to mark in which situation, where the mark is chosen (LOUGH-17). Pure."""

from __future__ import annotations

from server.policy.profile import Profile
from server.policy.sections import Guidance


def of(profile: Profile, code: str) -> tuple[Guidance, ...]:
    """The situations in which this mark is the answer, or part of it."""
    return tuple(one for one in profile.guidance if code in one.marks)
