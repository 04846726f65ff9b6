"""The commands `muster batch` and `muster programme`: which classes began together, which courses belong together."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from datetime import date, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from server.commands import DONE, Store, open_store, run
from server.errors import StoreError
from server.policy import moments
from server.scope import Scope
from server.store import batches, campus, profile_versions, programmes
from server.store.batches import Batch
from server.store.engine import Connection, reading, writing
from server.store.programmes import Programme

Made = TypeVar("Made")


def batch(argv: Sequence[str]) -> int:
    """`muster batch [CODE]`."""
    parser = argparse.ArgumentParser(
        prog="muster batch", description="Batches of a skills programme: its fortnights are counted from the first day."
    )
    parser.add_argument("code", nargs="?", help="one batch; without it all are listed")
    parser.add_argument("--first", metavar="DAY", help="its first day, such as 2026-10-05")
    parser.add_argument("--last", metavar="DAY", help="its last day: footage is kept by it")
    _add_members(parser, "class")
    parser.set_defaults(work=_batch)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def programme(argv: Sequence[str]) -> int:
    """`muster programme [CODE]`."""
    parser = argparse.ArgumentParser(
        prog="muster programme", description="Programmes: the registry may give a profile to all courses of one."
    )
    parser.add_argument("code", nargs="?", help="one programme; without it all are listed")
    parser.add_argument("--title", help="what it is called")
    _add_members(parser, "course")
    parser.set_defaults(work=_programme)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _add_members(parser: argparse.ArgumentParser, what: str) -> None:
    plural = "classes" if what == "class" else "courses"
    parser.add_argument(f"--{what}", dest="on", action="append", default=[], metavar="CODE",
                        help=f"a {what} that belongs to it from now on; several times for several {plural}")  # fmt: skip
    parser.add_argument("--off", action="append", default=[], metavar="CODE", help=f"a {what} that does not any more")
    parser.add_argument("--do", action="store_true", help="do it; without it the command says what would be")


def _opened() -> tuple[Store, Scope, ZoneInfo]:
    store = open_store().ready()
    with writing(store.engine) as connection:
        here, scope = store.institution(connection), store.console(connection)
    return store, scope, ZoneInfo(here.time_zone)


def _done(store: Store, work: Callable[[Connection], Made], *, do: bool) -> Made:
    if not do:
        return campus.tried(store.engine, work)
    with writing(store.engine) as connection:
        return work(connection)


def _batch(arguments: argparse.Namespace) -> int:
    store, scope, zone = _opened()
    now_ms = store.clock.now_ms()
    if arguments.code is None:
        with reading(store.engine) as connection:
            for one in batches.listed(connection, scope, now_ms):
                print(_of_batch(one, zone))
        return DONE
    first, last = _day(arguments.first), _day(arguments.last)
    made = _done(
        store,
        lambda connection: batches.put(
            connection,
            scope,
            arguments.code,
            starts_ms=None if first is None else moments.instant(first, time.min, zone),
            ends_ms=None if last is None else moments.instant(last + timedelta(days=1), time.min, zone),
            on=arguments.on,
            off=arguments.off,
            now_ms=now_ms,
        ),
        do=arguments.do,
    )
    print(_of_batch(made, zone) if arguments.do else f"Would be (--do does it): {_of_batch(made, zone)}")
    if made.begun:
        print(
            f"{made.begun} of its {made.sessions} sessions have begun: their fortnights and occasions are counted so too."
        )
    return DONE


def _of_batch(one: Batch, zone: ZoneInfo) -> str:
    first = moments.day_of(one.starts_ms, zone).isoformat()
    last = "open" if one.ends_ms is None else moments.day_of(one.ends_ms - 1, zone).isoformat()
    return f"{one.code}: from {first} to {last}; classes: {', '.join(one.classes) or 'none'}"


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise StoreError("usage", f"{text} is no day: write it as 2026-10-05") from None


def _programme(arguments: argparse.Namespace) -> int:
    store, scope, _ = _opened()
    now_ms = store.clock.now_ms()
    if arguments.code is None:
        with reading(store.engine) as connection:
            for one in programmes.listed(connection, scope):
                print(_of_programme(one))
        return DONE
    profiles = profile_versions.load(store.engine, store.settings.profiles_dir, store.settings.time_zone, now_ms)
    made = _done(
        store,
        lambda connection: programmes.put(
            connection, scope, profiles, arguments.code, title=arguments.title, on=arguments.on, off=arguments.off,
            now_ms=now_ms,
        ),
        do=arguments.do,
    )  # fmt: skip
    print(_of_programme(made) if arguments.do else f"Would be (--do does it): {_of_programme(made)}")
    if made.planned:
        print(f"{made.planned} coming sessions go by another profile or window then.")
    return DONE


def _of_programme(one: Programme) -> str:
    return f"{one.code}: {one.title}; courses: {', '.join(one.courses) or 'none'}"
