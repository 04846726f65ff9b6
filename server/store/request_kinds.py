"""What a change request may ask for, and the tiers of those that are in no profile."""

from __future__ import annotations

from server.policy.sections import TierRule

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
#: who takes learners off lists and puts them on others, and by which rule
LIST_TIER = TierRule(
    name="list",
    until=None,
    roles=("lecturer", "head", "registry", "admin"),
    by_request=True,
    needs=("reason",),
    copies=(),
    approvers=("registry", "admin"),
    evidence_later=True,
    rule="LOUGH-18",
)
#: who submits a programme's day late: the state body approves, with proofs; its decision is entered by the approvers
LATE_TIER = TierRule(
    name="late-submission",
    until=None,
    roles=("lecturer", "head", "registry", "admin"),
    by_request=True,
    needs=("reason", "evidence"),
    copies=(),
    approvers=("registry", "admin"),
    evidence_later=False,
    rule="DDU-6",
)
