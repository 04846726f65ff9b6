"""The words of an absence: what kind it is, how it was told, and what became of it."""

from __future__ import annotations

REPORTED, AUTHORISED, LEAVE = KINDS = ("reported", "authorised", "leave")
SELF, PHONE, PARENT, STAFF = CHANNELS = ("self", "phone", "parent", "staff")
OPEN, APPROVED, REJECTED, WITHDRAWN = STATES = ("open", "approved", "rejected", "withdrawn")
