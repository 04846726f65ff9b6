"""One import, whole: read, compare, and then either everything or nothing. The only place here that has the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.clock import Clock
from server.imports import (
    bundle,
    cardlist,
    icsfile,
    occurrences,
    oneroster,
    residence,
    roster_plan,
    timetable_plan,
    wanted_sessions,
)
from server.imports.badrows import BadRows, ImportRefused, NeedsConfirmation, RowsRefused
from server.imports.progress import Progress
from server.imports.rules import Rules, zone_named
from server.imports.summary import Summary
from server.policy.profile import Profiles
from server.scope import Scope
from server.store import (
    accounts,
    campus,
    cards,
    engine,
    imported,
    imported_cards,
    imported_leavers,
    imported_residence,
    imported_sessions,
    locked_lists,
    residence_admin,
)
from server.store.engine import Connection, Engine
from server.store.institutions import Institution
from server.vault import Vault

#: more times than this that the clocks' change leaves out or repeats are only counted
_MOST_ODD_TOLD = 20


@dataclass(frozen=True, kw_only=True)
class Store:
    """What an import needs of the store."""

    engine: Engine
    clock: Clock
    vault: Vault
    institution: Institution
    #: the institution's own too
    profiles: Profiles


@dataclass(frozen=True, kw_only=True)
class Done:
    """How an import went. applied: something was changed."""

    summary: Summary
    applied: bool
    #: what would stop it without --confirm; only in a dry run
    stops: list[str]


def import_oneroster(
    store: Store,
    path: Path,
    *,
    cards_file: Path | None = None,
    source: str = "oneroster",
    dry: bool = False,
    confirm: bool = False,
    progress: Progress | None = None,
    step: Callable[[Connection, str], None] | None = None,
) -> Done:
    """Import a OneRoster package. cards_file: a cards CSV in whose rows alone cards change.

    step: called before each part of the writing, for tests. Raises RowsRefused, NeedsConfirmation, ImportRefused.
    """
    tell = progress or Progress(None)
    started_ms = store.clock.now_ms()
    bad = BadRows()
    tell.step("reading the files")
    package = bundle.read(path, bad)
    roster = oneroster.read(package, zone_named(store.institution.time_zone), bad)
    card_rows = list(roster.cards)
    if cards_file is not None:
        card_rows += cardlist.in_file(cards_file.name, _bytes(cards_file), bad)
    complete = roster.cards_complete
    scope = accounts.at_the_console(store.institution.id)

    def work(connection: Connection, now_ms: int) -> tuple[Summary, Callable[[imported.Step], None] | None]:
        tell.step("comparing with what is held")
        held = imported.held(connection, store.institution.id, source)
        held_cards = imported_cards.held_cards(connection, store.institution.id, source)
        keys = cards.current_keys(connection, store.vault, store.institution.id, now_ms) if card_rows else []
        wanted_cards = cardlist.read(
            card_rows,
            lambda sid: roster_plan.has_user(roster, held, sid),
            lambda uid: cards.token_for(uid, keys),
            complete=complete,
            bad=bad,
        )

        def finals(class_id: int, from_ms: int, to_ms: int | None) -> list[int]:
            here = store.institution.id
            return locked_lists.finals(connection, here, store.profiles, class_id, from_ms, to_ms, now_ms)

        changes, summary = roster_plan.plan(roster, wanted_cards, held, held_cards, now_ms, bad, finals=finals)
        if not changes.any():
            return summary, None

        def write(each: imported.Step) -> None:
            gone = [values["id"] for values in changes.person_ends if values["ended_ms"] is not None]
            theirs = imported_leavers.delivered(connection, gone, now_ms)
            imported.apply(connection, store.institution.id, source, held, changes, now_ms, each, store.profiles)
            alone = imported_leavers.leave(connection, scope, gone, theirs, now_ms)
            if alone:
                told = f"coming sessions that nobody teaches any more: {len(alone)}; the registry chooses somebody else"
                summary.notes.append(told)

        return summary, write

    return _run(store, "oneroster", source, package.digest, started_ms, work, bad, dry, confirm, tell, step)


def import_timetable(
    store: Store,
    path: Path,
    rules: Rules,
    *,
    zone: str = "",
    dry: bool = False,
    confirm: bool = False,
    progress: Progress | None = None,
    step: Callable[[Connection, str], None] | None = None,
) -> Done:
    """Import an iCalendar file. zone: of starts that name none, before the rules' and the file's own word.

    Raises RowsRefused, NeedsConfirmation, ImportRefused.
    """
    tell = progress or Progress(None)
    started_ms = store.clock.now_ms()
    bad = BadRows()
    tell.step("reading the calendar")
    data = _bytes(path)
    calendar = icsfile.read(path.name, data, bad)
    name, why = occurrences.floating_zone(calendar, zone or rules.zone, store.institution.time_zone)
    found = occurrences.read(calendar, zone_named(name), started_ms, bad)
    if not bad and not calendar.events:
        raise ImportRefused("timetable-empty", f"{path.name} holds no event: nothing was changed")
    method = calendar.properties.get("METHOD", "").strip().upper()
    notes = [f"line {line}: {text}" for line, text in calendar.passed]
    if found.floating:
        notes.append(f"{found.floating} events name no time zone: read as {name} ({why})")
    # Never silent: somebody has to tell the class when it meets.
    notes += [f"line {line}: {text}" for line, text in found.odd[:_MOST_ODD_TOLD]]
    if len(found.odd) > _MOST_ODD_TOLD:
        notes.append(f"{len(found.odd) - _MOST_ODD_TOLD} more times that the clocks' change leaves out or repeats")
    if found.all_day:
        notes.append(f"{len(found.all_day)} all-day events are no sessions: left out")

    def work(connection: Connection, now_ms: int) -> tuple[Summary, Callable[[imported.Step], None] | None]:
        tell.step("comparing with what is held")
        held = imported_sessions.held_timetable(connection, store.institution.id, rules.source)
        wanted = wanted_sessions.of(found.events, rules, held, method == "CANCEL", calendar.name, bad, notes, tell)
        changes, summary = timetable_plan.plan(
            wanted,
            held,
            whole=method in ("", "PUBLISH"),
            now_ms=now_ms,
            zone=zone_named(store.institution.time_zone),
        )
        summary.notes[:0] = notes
        if not changes.any():
            return summary, None
        return summary, lambda each: imported_sessions.apply_sessions(
            connection, store.institution.id, rules.source, held, changes, now_ms, each, store.profiles
        )

    digest = bundle.digest_of({path.name: data})
    return _run(store, "timetable", rules.source, digest, started_ms, work, bad, dry, confirm, tell, step)


def import_residence(
    store: Store,
    folder: Path,
    *,
    source: str = "residence",
    dry: bool = False,
    confirm: bool = False,
    progress: Progress | None = None,
    step: Callable[[Connection, str], None] | None = None,
) -> Done:
    """Import the residence's houses, residents and duty staff: a folder with the files of imports/residence.py.

    Raises RowsRefused, NeedsConfirmation, ImportRefused.
    """
    files = {name: _bytes(folder / name) for name in residence.FILES if (folder / name).is_file()}
    if not files:
        raise ImportRefused("import-path", f"{folder.name} holds none of {', '.join(residence.FILES)}")
    scope = accounts.at_the_console(store.institution.id)
    return import_residence_files(
        store, scope, files, source=source, dry=dry, confirm=confirm, progress=progress, step=step
    )


def import_residence_files(
    store: Store,
    scope: Scope,
    files: Mapping[str, bytes],
    *,
    source: str = "residence",
    dry: bool = False,
    confirm: bool = False,
    progress: Progress | None = None,
    step: Callable[[Connection, str], None] | None = None,
) -> Done:
    """The same with the files' bytes by their names, for whoever is signed in. Raises NotAllowed too."""
    campus.need_whole(scope, residence_admin.MANAGE)
    tell = progress or Progress(None)
    started_ms = store.clock.now_ms()
    bad = BadRows()
    tell.step("reading the files")
    wanted = residence.read(files, zone_named(store.institution.time_zone), bad)

    def work(connection: Connection, now_ms: int) -> tuple[Summary, Callable[[imported.Step], None] | None]:
        tell.step("comparing with what is held")
        held = imported_residence.held(connection, store.institution.id, now_ms)
        changes, summary = residence.plan(wanted, held, source, now_ms, bad)
        if not changes.any():
            return summary, None
        return summary, lambda each: residence.apply(connection, scope, source, changes, now_ms, each)

    digest = bundle.digest_of(files)
    return _run(store, "residence", source, digest, started_ms, work, bad, dry, confirm, tell, step)


def _run(
    store: Store,
    kind: str,
    source: str,
    digest: str,
    started_ms: int,
    work: Callable[[Connection, int], tuple[Summary, Callable[[imported.Step], None] | None]],
    bad: BadRows,
    dry: bool,
    confirm: bool,
    tell: Progress,
    step: Callable[[Connection, str], None] | None,
) -> Done:
    """Compare and write in one transaction, so that nothing comes between; leave by an exception, and nothing stays."""
    done: Done | None = None
    try:
        with engine.writing(store.engine) as connection:
            imported.lock(connection, store.institution.id)
            now_ms = store.clock.now_ms()
            summary, apply = work(connection, now_ms)
            if bad:
                raise RowsRefused(bad)
            stops = summary.stops
            done = Done(summary=summary, applied=apply is not None and not dry, stops=[] if confirm else stops)
            if dry or apply is None:
                raise _Enough
            if stops and not confirm:
                raise NeedsConfirmation(stops, summary)

            def each(word: str) -> None:
                tell.step(f"writing {word}")
                if step is not None:
                    step(connection, word)

            apply(each)
            counts: dict[str, Any] = {what: dict(of) for what, of in summary.counts.items()}
            imported.finish(
                connection, store.institution.id, kind, source, digest, counts, started_ms, store.clock.now_ms()
            )
            each("the end")
    except _Enough:
        pass
    finally:
        tell.end()
    assert done is not None
    return done


class _Enough(Exception):
    """Rolls back what a dry run looked at."""


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImportRefused("import-path", f"{path.name} cannot be read: {error.strerror}") from error
