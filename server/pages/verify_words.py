"""What a register says of verifying it, and what its form says that it has shown (STEP-18)."""

from __future__ import annotations

from collections.abc import Iterable

from server.pages.local import Local
from server.pages.words import digest
from server.policy.allowed import Answer
from server.policy.profile import Profile
from server.store.registers import Register


def verification(
    profile: Profile, register: Register, numbers: dict[str, int | None], answer: Answer, local: Local, *, seen: str
) -> dict | None:
    """What the verification line says, where the profile wants one (STEP-18). answer: whether whoever looks may verify;
    seen: what the form says that it has shown."""
    if not profile.verification_needed or register.session.cancelled_ms is not None:
        return None
    shown = numbers["shown"] or 0
    waiting = (numbers["unverified"] or 0) + shown
    open_ = waiting or (register.verified_ms is None and profile.programme is not None)
    if local.now_ms >= register.session.starts_ms and open_ and not answer.allowed:
        return {"text": answer.text, "button": None, "late": answer.by_request}
    if local.now_ms < register.session.starts_ms:
        return {"text": "Marks count once you have verified them. You can do that from the start of the session.",
                "button": None}  # fmt: skip
    if waiting:
        return {
            "text": f"{waiting} {'mark does' if waiting == 1 else 'marks do'} not count yet: look through them, then verify."
            + (f" {shown} of them {'is' if shown == 1 else 'are'} {profile.shown} without a card." if shown else ""),
            "button": f"Verify {waiting} {'mark' if waiting == 1 else 'marks'}",
            "seen": seen,
        }
    if open_ and numbers["unseen"] == 0:
        # Every mark was set by hand: the day is submitted all the same (DDU-5).
        return {"text": "Every mark counts. Submit the day.", "button": "Submit", "seen": seen}
    if register.verified_ms is not None:
        by = f" by {register.verified_by}" if register.verified_by else ""
        return {"text": f"Verified {local.moment(register.verified_ms)}{by}.", "button": None}
    return {"text": "Marks count once you have verified them. There is none to verify yet.", "button": None}


def shown_to(profile: Profile, rows: Iterable[tuple[int, int, bool]]) -> str:
    """What the form to verify says that its page has shown: the newest mark, and who is on the list where whoever has no
    mark is verified too. rows: (person, mark, on the list)."""
    every = list(rows)
    newest = max((mark_id for _, mark_id, _ in every), default=0)
    return f"{newest}.{digest(sorted(person for person, _, listed in every if listed)) if profile.shown else ''}"
