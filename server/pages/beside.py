"""A page about one session that is not its register: found for an act, with its heading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Response
from fastapi.responses import RedirectResponse

from server.pages import about
from server.pages.desk import Visit
from server.pages.local import Local
from server.pages.rendering import page
from server.store import session_rows, sessions
from server.store.engine import Connection
from server.store.session_rows import SessionRow


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The session, and whoever looks."""

    signed: Visit
    row: SessionRow
    local: Local

    def show(self, template: str, *, problem: str | None = None, **values: Any) -> Response:
        """The page. problem: what to correct, said above the form."""
        return page(
            self.signed.request,
            template,
            status=422 if problem else 200,
            login=self.signed.login,
            csrf=self.signed.login.csrf,
            session=about.heading(self.row, self.local),
            session_id=self.row.id,
            problem=problem,
            **values,
        )


def find(signed: Visit, connection: Connection, session_id: int, act: str) -> Beside:
    """Raises NotFound(`session`) where this scope does not reach it with the act."""
    sessions.need(connection, signed.scope, session_id, act)
    row = session_rows.one(connection, signed.scope, session_id)
    return Beside(signed=signed, row=row, local=signed.local(connection))


def back(session_id: int, said: str) -> Response:
    """To the register, which says what was done."""
    return RedirectResponse(f"/sessions/{session_id}?said={said}", status_code=303)
