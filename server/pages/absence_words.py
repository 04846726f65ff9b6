"""What pages say of absences, in plain words. Pure: facts in, words out."""

from __future__ import annotations

from typing import Any

from server.pages.local import Local
from server.pages.words import Said
from server.store.absences import Absence

STATES = {
    "open": Said("late", "waits for a decision"),
    "approved": Said("good", "approved"),
    "rejected": Said("bad", "not approved"),
    "withdrawn": Said("", "taken back"),
}
KINDS = {
    "reported": "absence",
    "authorised": "authorised absence, over a week",
    "leave": "leave of absence",
}
CHANNELS = {
    "self": "by the student",
    "phone": "by the student, by telephone",
    "parent": "by a parent or carer, by telephone",
    "staff": "by the student, to staff",
}


def when(found: Absence, local: Local) -> str:
    """`Mon 5 Oct 2026`, `Mon 5 Oct 2026 to Wed 7 Oct 2026`, or a time of one day."""
    if (
        local.bounds(local.day(found.from_ms))[0] == found.from_ms
        and local.bounds(local.day(found.to_ms - 1))[1] == found.to_ms
    ):
        first, last = local.dated(found.from_ms), local.dated(found.to_ms - 1)
        return first if first == last else f"{first} to {last}"
    first, last = local.dated(found.from_ms), local.dated(found.to_ms)
    if first == last:
        return f"{first}, {local.time(found.from_ms)} – {local.time(found.to_ms)}"
    return f"{first}, {local.time(found.from_ms)} to {last}, {local.time(found.to_ms)}"


def line(found: Absence, local: Local) -> dict[str, Any]:
    """An absence in a list: no reason stands there."""
    many = len(found.session_ids)
    return {
        "id": found.id,
        "person_id": found.person_id,
        "full_name": found.full_name,
        "kind": KINDS[found.kind],
        "when": when(found, local),
        "what": "every class in that time" if not many else "1 class" if many == 1 else f"{many} classes",
        "state": STATES[found.state],
        "told": f"told {local.moment(found.reported_ms)} {CHANNELS[found.channel]}",
    }
