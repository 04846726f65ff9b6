"""The lecturer's pages: registers of a day, one register, and what is done with it."""

from __future__ import annotations

from fastapi import APIRouter

from server.pages import (
    cancelling,
    class_view,
    lateness,
    marks,
    notices,
    proposals,
    register,
    register_history,
    reports,
    taps,
    today,
    verifying,
    walk_ins,
)

router = APIRouter()
for _part in (
    today,
    register,
    register_history,
    verifying,
    marks,
    proposals,
    walk_ins,
    taps,
    class_view,
    cancelling,
    reports,
    notices,
    lateness,
):
    router.include_router(_part.router)
