"""The residence's pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from server.pages import (
    residence_board,
    residence_flags,
    residence_leaves,
    residence_missing,
    residence_month,
    residence_own,
    residence_registry,
    residence_resident,
    residence_roll_call,
)

router = APIRouter()
for _part in (
    residence_board,
    residence_missing,
    residence_resident,
    residence_own,
    residence_leaves,
    residence_flags,
    residence_month,
    residence_roll_call,
    residence_registry,
):
    router.include_router(_part.router)
