"""The pages around one student, and around absence: their own page, absences, trips, paper registers."""

from __future__ import annotations

from fastapi import APIRouter

from server.pages import absence_reports, absences, paper, student, trips

router = APIRouter()
for _part in (student, absence_reports, absences, trips, paper):
    router.include_router(_part.router)
