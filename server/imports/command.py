"""The commands `muster import oneroster`, `timetable` and `residence`. docs/imports.md is their manual."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.commands import DONE, FAILED, open_store
from server.errors import StoreError
from server.imports import rules as rules_
from server.imports import run
from server.imports.badrows import NeedsConfirmation, RowsRefused
from server.imports.progress import Progress
from server.imports.run import Done
from server.imports.summary import WORDS, Summary
from server.store import engine, profile_versions

#: exit status where a person has to confirm
ASKS = 3
#: changes of one kind that are told; --all and --json tell every one
_TOLD = 10


def main(argv: Sequence[str]) -> int:
    """`muster import ...`. Exit status 0: done, or nothing to do; 1: refused; 2: misused; 3: needs --confirm."""
    arguments = _parser().parse_args(argv)
    begun = time.monotonic()
    done: Done | None = None
    refused: StoreError | None = None
    try:
        done = arguments.work(arguments)
    except StoreError as error:
        refused = error
    seconds = round(time.monotonic() - begun, 2)
    if arguments.json:
        print(json.dumps(_as_json(arguments, done, refused, seconds), ensure_ascii=False))
    else:
        _tell(arguments, done, refused, seconds)
    if isinstance(refused, NeedsConfirmation):
        return ASKS
    return FAILED if refused else DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="muster import", description="Read other systems' files into the store.")
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    one = commands.add_parser("oneroster", help="people, classes, class lists and cards from OneRoster 1.1 or 1.2 CSV")
    one.add_argument("path", type=Path, help="the folder or the zip")
    one.add_argument("--cards", type=Path, metavar="FILE", help="a CSV userSourcedId,uid: only its rows' cards change")
    one.add_argument("--source", default="oneroster", help="name of the system it comes from (oneroster)")
    one.set_defaults(work=_oneroster)
    two = commands.add_parser("timetable", help="sessions and rooms from an iCalendar file")
    two.add_argument("path", type=Path, metavar="FILE.ics")
    two.add_argument("--rules", type=Path, metavar="FILE.toml", help="how its words become our classes and rooms")
    two.add_argument("--zone", default="", help="IANA time zone of starts that name none")
    two.add_argument("--source", default="", help="name of the timetable (timetable)")
    two.set_defaults(work=_timetable)
    three = commands.add_parser("residence", help="the residence's houses, residents and duty staff from CSV files")
    three.add_argument("path", type=Path, metavar="FOLDER", help="with houses.csv, residents.csv, duty.csv, or some")
    three.add_argument("--source", default="residence", help="name of the system it comes from (residence)")
    three.set_defaults(work=_residence)
    for each in (one, two, three):
        each.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
        each.add_argument("--confirm", action="store_true", help="go on where more than 5 percent end or move")
        each.add_argument("--json", action="store_true", help="one JSON object on standard output")
        each.add_argument("--all", action="store_true", help="tell every change, not the first ten of each kind")
        each.add_argument("--progress", action="store_true", help="say how far it is, also without a terminal")
    return parser


def _oneroster(arguments: argparse.Namespace) -> Done:
    def work(store: run.Store, progress: Progress) -> Done:
        return run.import_oneroster(
            store,
            arguments.path,
            cards_file=arguments.cards,
            source=_source(arguments.source),
            dry=arguments.dry_run,
            confirm=arguments.confirm,
            progress=progress,
        )

    return _with_store(arguments, work)


def _timetable(arguments: argparse.Namespace) -> Done:
    rules = rules_.read(arguments.rules) if arguments.rules else rules_.Rules()
    if arguments.source:
        rules = replace(rules, source=_source(arguments.source))
    if arguments.zone:
        rules_.zone_named(arguments.zone)

    def work(store: run.Store, progress: Progress) -> Done:
        return run.import_timetable(
            store,
            arguments.path,
            rules,
            zone=arguments.zone,
            dry=arguments.dry_run,
            confirm=arguments.confirm,
            progress=progress,
        )

    return _with_store(arguments, work)


def _residence(arguments: argparse.Namespace) -> Done:
    def work(store: run.Store, progress: Progress) -> Done:
        return run.import_residence(
            store,
            arguments.path,
            source=_source(arguments.source),
            dry=arguments.dry_run,
            confirm=arguments.confirm,
            progress=progress,
        )

    return _with_store(arguments, work)


def _source(name: str) -> str:
    if not 1 <= len(name) <= 64 or name in ("identifier", "username"):
        raise StoreError("import-source", "a source's name has 1 to 64 characters, and is not identifier or username")
    return name


def _with_store(arguments: argparse.Namespace, work: Callable[[run.Store, Progress], Done]) -> Done:
    opened = open_store().ready()
    try:
        with engine.writing(opened.engine) as connection:
            here = opened.institution(connection)
        shown = arguments.progress or sys.stderr.isatty()
        store = run.Store(
            engine=opened.engine,
            clock=opened.clock,
            vault=opened.vault,
            institution=here,
            profiles=profile_versions.load(
                opened.engine, opened.settings.profiles_dir, opened.settings.time_zone, opened.clock.now_ms()
            ),
        )
        return work(store, Progress(sys.stderr if shown else None))
    finally:
        opened.engine.dispose()


def _as_json(
    arguments: argparse.Namespace, done: Done | None, refused: StoreError | None, seconds: float
) -> dict[str, Any]:
    bad = refused.rows if isinstance(refused, RowsRefused) else []
    asks = refused if isinstance(refused, NeedsConfirmation) else None
    summary = done.summary if done else asks.summary if asks else None
    stops = done.stops if done else asks.stops if asks else []
    return {
        "applied": bool(done and done.applied),
        "dry_run": arguments.dry_run,
        "error": {"code": refused.code, "text": str(refused)} if refused else None,
        "bad_rows": [{"file": row.file, "line": row.line, "code": row.code, "text": row.text} for row in bad],
        "needs_confirmation": stops,
        "counts": summary.counts if summary else {},
        "changes": [{"what": one.what, "how": one.how, "text": one.text} for one in summary.items] if summary else [],
        "notes": summary.notes if summary else [],
        "seconds": seconds,
    }


def _tell(arguments: argparse.Namespace, done: Done | None, refused: StoreError | None, seconds: float) -> None:
    if isinstance(refused, NeedsConfirmation):
        _tell_summary(arguments, refused.summary, shows_added=True)
    if refused is not None:
        for row in refused.rows if isinstance(refused, RowsRefused) else ():
            print(row, file=sys.stderr)
        print(f"muster: {refused} [{refused.code}]", file=sys.stderr)
        return
    assert done is not None
    _tell_summary(arguments, done.summary, shows_added=arguments.dry_run)
    for stop in done.stops if arguments.dry_run else ():
        print(f"this will need --confirm: {stop}")
    if arguments.dry_run:
        print(f"dry run: nothing was changed ({seconds} s)")
    else:
        print(f"{'done' if done.applied else 'nothing to change'} ({seconds} s)")


def _tell_summary(arguments: argparse.Namespace, summary: Summary, *, shows_added: bool) -> None:
    for note in summary.notes:
        print(f"note: {note}")
    for what, counts in summary.counts.items():
        said = ", ".join(f"{counts[how]} {how}" for how in WORDS if how in counts)
        print(f"{what}: {said}")
        for how in WORDS:
            texts = [one.text for one in summary.items if (one.what, one.how) == (what, how)]
            if not arguments.all:
                # What is new in its hundreds is told only where it is still a question.
                shown = texts[:_TOLD] if shows_added or how not in ("added", "assigned") else []
            else:
                shown = texts
            for text in shown:
                print(f"  {how}: {text}")
            if shown and len(shown) < len(texts):
                print(f"  {how}: … and {len(texts) - len(shown)} more (--all)")
