"""The pages around one student, and around absence: their own page, absences, trips, paper registers, texts to erase."""

from __future__ import annotations

from fastapi import APIRouter

from server.pages import absence_reports, absences, erasing, paper, privacy, student, trip_form, trips

router = APIRouter()
for _part in (student, absence_reports, absences, trip_form, trips, paper, erasing, privacy):
    router.include_router(_part.router)
