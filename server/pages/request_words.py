"""What the pages of change requests say: kinds of them, and which session one is about."""

from __future__ import annotations

from server.pages.desk import Visit
from server.pages.local import Local
from server.store import page_requests
from server.store.engine import Connection
from server.store.request_kinds import BURSARY, CANCELLATION, MARKS, REMOVAL, RESTORATION, SUBMISSION, TRANSFER

KIND_WORDS = {
    MARKS: "Change marks",
    BURSARY: "Bursary only",
    REMOVAL: "Off the list",
    TRANSFER: "To another class",
    CANCELLATION: "Cancel the class",
    RESTORATION: "Bring the class back",
    SUBMISSION: "Submit late",
}
#: what a request about the whole register asks for
WHOLE_WORDS = {
    CANCELLATION: "The class did not take place: it is cancelled for everybody on the list, once this is applied.",
    RESTORATION: "The class took place after all: the marks from before its cancellation hold again, once this is applied.",
    SUBMISSION: "The marks of everybody on the register count from the approval on. What is wrong in them can be corrected then.",
}
#: the look of a state
STATE_KINDS = {"open": "calm", "applied": "good", "rejected": "bad", "withdrawn": ""}


def heading(connection: Connection, signed: Visit, session_id: int, local: Local) -> dict[str, str]:
    """Which session it is about. The caller has asked whether it may be read."""
    row = page_requests.session_of(connection, session_id)
    return {"title": row.title, "when": f"{local.moment(row.starts_ms)} – {local.time(row.ends_ms)}"}
