"""What a change request may ask for. By which tier each goes, the profile says."""

from __future__ import annotations

MARKS, BURSARY, REMOVAL, TRANSFER, CANCELLATION, RESTORATION, SUBMISSION = KINDS = (
    "marks",
    "bursary",
    "removal",
    "transfer",
    #: the class is cancelled, where that goes by request only (LOUGH-11 with LOUGH-32 to 34)
    "cancellation",
    #: it takes place after all, where that goes by request only
    "restoration",
    #: a programme's day is submitted after its deadline (DDU-6)
    "submission",
)
#: `source` of a mark that a request set: a correction, with a row of its own
SOURCE = "request"
#: these are about the whole register: nobody is chosen
WHOLE = (CANCELLATION, RESTORATION, SUBMISSION)
