"""What one part of the proof says of itself: the JSON that `python -m tests.PART --json FILE` writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadResult(ValueError):
    """A part's file is missing, is no JSON, or lacks what it must say."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of fault: how often it was tried, and what it broke."""

    kind: str
    points: int
    lost: int
    doubled: int
    miscredited: int
    note: str = ""

    @property
    def harmless(self) -> bool:
        """Whether nothing was lost, doubled or miscredited."""
        return not (self.lost or self.doubled or self.miscredited)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One part's run."""

    part: str
    ok: bool
    seconds: float
    seed: int | None
    rows: tuple[Row, ...]
    #: name -> a number, or a short text
    figures: dict[str, Any]
    #: what went wrong besides rows and figures, a line each: it ends the output, where whoever looks at a CI reads
    wrong: tuple[str, ...] = ()
    #: how it was run, for who wants to repeat it
    command: str = ""
    #: when it ended, UTC, to the minute
    ended: str = ""
    #: what was tried: the commit when it began, `-dirty` where files were changed since
    commit: str = ""


def read(path: Path) -> Result:
    """A part's file. A part that says `ok` of a row that lost something is not believed: BadResult."""
    try:
        said = json.loads(path.read_text())
        rows = tuple(
            Row(
                kind=str(row["kind"]),
                points=int(row["points"]),
                lost=int(row["lost"]),
                doubled=int(row["doubled"]),
                miscredited=int(row["miscredited"]),
                note=str(row.get("note", "")),
            )
            for row in said["rows"]
        )
        result = Result(
            part=str(said["part"]),
            ok=said["ok"] is True,
            seconds=float(said["seconds"]),
            seed=said.get("seed"),
            rows=rows,
            figures=dict(said.get("figures") or {}),
            wrong=tuple(str(line) for line in said.get("wrong") or ()),
            command=str(said.get("command", "")),
            ended=str(said.get("ended", "")),
            commit=str(said.get("commit", "")),
        )
    except OSError as error:
        raise BadResult(f"{path.name}: the part wrote no result ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadResult(f"{path.name}: not a part's result: {error!r}") from error
    if result.ok and not all(row.harmless for row in rows):
        raise BadResult(f"{path.name}: says ok, and yet something was lost, doubled or miscredited")
    if result.ok and result.wrong:
        raise BadResult(f"{path.name}: says ok, and yet {result.wrong[0]}")
    if result.ok and not any(row.points for row in rows):
        raise BadResult(f"{path.name}: says ok, and tried nothing")
    return result
