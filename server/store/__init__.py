"""The store: the only place in the server where SQL stands."""

# Every table belongs to one metadata, whichever of these modules is asked for first.
from server.store import (
    schema,
    schema_cards,
    schema_certificates,
    schema_fleet,
    schema_misuse,
    schema_releases,
    schema_residence,
    schema_rights,
    schema_slots,
    schema_trust,
    schema_work,
)

__all__ = [
    "schema",
    "schema_cards",
    "schema_certificates",
    "schema_fleet",
    "schema_misuse",
    "schema_releases",
    "schema_residence",
    "schema_rights",
    "schema_slots",
    "schema_trust",
    "schema_work",
]
