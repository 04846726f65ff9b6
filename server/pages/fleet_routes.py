"""The technicians' pages: every door, one reader, and what is known of it for a dispute."""

from __future__ import annotations

from fastapi import APIRouter

from server.pages import doors, doors_map, evidence_page, reader_page, releases, slots

router = APIRouter()
for _part in (doors, doors_map, reader_page, evidence_page, slots, releases):
    router.include_router(_part.router)
