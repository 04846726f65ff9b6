"""Ids in parts: no more of them in one statement than a database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: ids in one statement
CHUNK = 500


def of(ids: Iterable[int]) -> Iterator[list[int]]:
    """The ids, each once and in order, in parts of at most CHUNK."""
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), CHUNK):
        yield wanted[start : start + CHUNK]
