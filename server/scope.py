"""Who you are becomes what you may see and do: the one place. Everything else asks it.

Roles: admin sees and does everything in the institution. lecturer sees the sessions they staff, and marks those
(STEP-1, LOUGH-9, LOUGH-10). technician sees doors, alarms and readers, and no student.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import NotAllowed

ADMIN, LECTURER, TECHNICIAN = "admin", "lecturer", "technician"
ROLES = (ADMIN, LECTURER, TECHNICIAN)
ALL, OWN, NONE = "all", "own", "none"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What somebody signed in may see and do."""

    institution_id: int
    account_id: int
    #: who they are among the persons: sessions name persons. None: nobody's lecturer
    person_id: int | None
    role: str

    @property
    def sessions(self) -> str:
        """Which sessions and registers: all, own, none."""
        if self.role == ADMIN:
            return ALL
        return OWN if self.role == LECTURER and self.person_id is not None else NONE

    @property
    def sees_all(self) -> bool:
        """Everything in the institution: swipes, persons, every register."""
        return self.role == ADMIN

    @property
    def sees_doors(self) -> bool:
        """Doors, readers, alarms: no student is named there."""
        return self.role in (ADMIN, TECHNICIAN)

    @property
    def tends_doors(self) -> bool:
        """May close alarms and declare records lost."""
        return self.role in (ADMIN, TECHNICIAN)

    def need_all(self) -> None:
        """Raises NotAllowed(`not-allowed`) unless everything may be seen."""
        if not self.sees_all:
            raise NotAllowed("not-allowed", "this is for administrators")

    def need_doors(self) -> None:
        """Raises NotAllowed(`not-allowed`) unless doors may be seen."""
        if not self.sees_doors:
            raise NotAllowed("not-allowed", "this is for technicians and administrators")

    def need_tending(self) -> None:
        """Raises NotAllowed(`not-allowed`) unless doors may be tended."""
        if not self.tends_doors:
            raise NotAllowed("not-allowed", "this is for technicians and administrators")
