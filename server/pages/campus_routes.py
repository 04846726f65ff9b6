"""The registry's pages and what goes with them, put together."""

from __future__ import annotations

from fastapi import APIRouter

from server.pages import (
    audit,
    campus,
    campus_batches,
    campus_cards,
    campus_catalogue,
    campus_enrolments,
    campus_people,
    campus_profiles,
    campus_sessions,
    card_desk,
    compliance,
    course_dates,
    emergency,
    export,
    misuse,
    schedules,
)

router = APIRouter()
for _part in (
    campus,
    campus_people,
    campus_profiles,
    campus_cards,
    card_desk,
    campus_enrolments,
    campus_sessions,
    campus_catalogue,
    campus_batches,
    course_dates,
    compliance,
    export,
    schedules,
    misuse,
    emergency,
    audit,
):
    router.include_router(_part.router)
