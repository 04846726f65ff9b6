"""A decision about one student's mark, with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A mark and why. code None: not marked."""

    code: str | None
    late_min: int | None = None
    early_min: int | None = None
    #: the rule that decided, such as `lough.late`
    rule: str
    flag: str | None = None
