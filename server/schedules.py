"""Runs the scheduled imports, in a thread of its own: reading a college's files must keep no swipe and no register.

A refused import leaves everything as it was (server/imports/run.py); its report says which rows were not usable.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.clock import Clock
from server.errors import StoreError, Unwritable
from server.imports import rules, run
from server.imports.badrows import NeedsConfirmation, RowsRefused
from server.imports.summary import Summary
from server.policy.profile import Profiles
from server.store import institutions, schedules
from server.store.engine import Engine, reading, writing
from server.store.schedules import Schedule
from server.vault import Vault

log = logging.getLogger("muster.schedules")

#: real seconds between looks
LOOK_S = 5.0
#: what a report keeps of each kind at most
NOTES, BAD_ROWS = 200, 5_000
#: the rules of a timetable lie beside it, under its name
RULES = ".toml"


def below(folder: Path, path: str) -> Path:
    """The file or folder at this path below the folder for imports.

    Raises StoreError(`import-folder`: the settings name none; `import-path`: it leads out of it, or nothing is there).
    """
    if folder == Path():
        raise StoreError("import-folder", "the settings name no folder for imports: set MUSTER_IMPORT_DIR")
    if not path or "\\" in path or not path.isprintable() or Path(path).is_absolute() or ".." in Path(path).parts:
        raise StoreError("import-path", "a path below the folder for imports, such as nightly/oneroster.zip")
    root = folder.resolve()
    # A link may lead elsewhere.
    found = (root / path).resolve()
    if found == root or not found.is_relative_to(root):
        raise StoreError("import-path", "this leads out of the folder for imports: put the file itself there")
    if not found.exists():
        raise StoreError("import-path", f"there is no {path} in the folder for imports")
    return found


class Schedules:
    """Looks every few seconds whose time has come. `step` does it once, for tests."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        vault: Vault,
        folder: Path,
        profiles: Profiles,
        *,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine, self._clock, self._vault, self._folder, self._wake = engine, clock, vault, folder, wake
        self._profiles = profiles
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="muster-schedules", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the import that is on, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.step()
            except Exception as error:
                log.error("schedules-failing error=%s", type(error).__name__, exc_info=error)

    def step(self) -> int:
        """Run every import whose time has come or that was asked for. Returns how many ran."""
        now_ms = self._clock.now_ms()
        with reading(self._engine) as connection:
            found = schedules.due(connection, now_ms)
        ran = 0
        for one in found:
            if self._stop.is_set():
                break
            with writing(self._engine) as connection:
                mine = schedules.claim(connection, one, now_ms)
            if mine:
                self._import(one, confirm=bool(one.asked_confirm))
                ran += 1
        return ran

    def _import(self, one: Schedule, *, confirm: bool) -> None:
        with reading(self._engine) as connection:
            store = run.Store(
                engine=self._engine,
                clock=self._clock,
                vault=self._vault,
                institution=institutions.one(connection, one.institution_id),
                profiles=self._profiles,
            )
        report: dict[str, Any] = {}
        outcome = schedules.OK
        try:
            path = below(self._folder, one.path)
            if one.kind == schedules.ONEROSTER:
                done = run.import_oneroster(store, path, source=one.source, confirm=confirm)
            else:
                done = run.import_timetable(store, path, _rules(path, one.source), confirm=confirm)
            report = {"applied": done.applied, **_told(done.summary)}
        except Unwritable as error:
            outcome, report = schedules.FAILED, {"error": {"code": error.code, "text": str(error)}}
        except StoreError as error:
            outcome, report = schedules.REFUSED, {"error": {"code": error.code, "text": str(error)}}
            if isinstance(error, RowsRefused):
                rows = error.rows
                report["bad"] = len(rows)
                report["bad_rows"] = [[row.file, row.line, row.code, row.text] for row in rows[:BAD_ROWS]]
            if isinstance(error, NeedsConfirmation):
                report |= {"stops": error.stops, **_told(error.summary)}
        except Exception as error:
            log.error("schedule-failing schedule=%d error=%s", one.id, type(error).__name__, exc_info=error)
            text = "a fault of Muster's own stopped it: nothing was changed; see the server's log"
            outcome, report = schedules.FAILED, {"error": {"code": "fault", "text": text}}
        with writing(self._engine) as connection:
            schedules.finish(connection, one.id, outcome, report)
        log.info("schedule-ran schedule=%d outcome=%s", one.id, outcome)
        self._wake()


def _rules(path: Path, source: str) -> rules.Rules:
    """Those beside the timetable, under its name; the source is the schedule's."""
    beside = path.with_suffix(RULES)
    found = rules.read(beside) if beside.is_file() else rules.Rules()
    return replace(found, source=source)


def _told(summary: Summary) -> dict[str, Any]:
    return {
        "counts": {what: dict(of) for what, of in summary.counts.items()},
        "notes": summary.notes[:NOTES],
        "more_notes": max(0, len(summary.notes) - NOTES),
    }
