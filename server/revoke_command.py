"""The commands `muster reader revoke` and `muster reader release`: readers that are believed no more (docs/trust.md)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.store import revocations
from server.store.engine import writing


def revoke(argv: Sequence[str]) -> int:
    """`muster reader revoke NAME --since TIME`. argv: what follows `reader revoke`."""
    parser = argparse.ArgumentParser(
        prog="muster reader revoke",
        description="Believe a reader no more: its password ends, its session is thrown off, nothing of it counts since then.",
    )
    parser.add_argument("name")
    parser.add_argument(
        "--since", required=True, help="when it went missing, ISO 8601 such as 2026-10-05T08:00:00+01:00"
    )
    parser.add_argument("--why", choices=tuple(revocations.WHYS), default="stolen")
    return run(_revoke, parser.parse_args(argv))


def release(argv: Sequence[str]) -> int:
    """`muster reader release NAME`. argv: what follows `reader release`."""
    parser = argparse.ArgumentParser(
        prog="muster reader release",
        description="Let count what a revoked reader delivered since, as far as it is surely older than the theft.",
    )
    parser.add_argument("name")
    return run(_release, parser.parse_args(argv))


def _revoke(arguments: argparse.Namespace) -> int:
    try:
        since = datetime.fromisoformat(arguments.since)
    except ValueError as error:
        raise StoreError("time", f"a time is written 2026-10-05T08:00:00+01:00, not {arguments.since!r}") from error
    since_ms = int((since if since.tzinfo else since.replace(tzinfo=UTC)).timestamp() * 1000)
    store = open_store().ready()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        now_ms = store.clock.now_ms()
        revocations.revoke(connection, scope, arguments.name, since_ms=since_ms, why=arguments.why, now_ms=now_ms)
    print(
        f"{arguments.name}: believed no more. Its password has ended, and what it delivers is kept and counts for nothing. "
        "A server that runs derives again what rested on it within seconds. Give the door another reader"
    )
    return DONE


def _release(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    with writing(store.engine) as connection:
        scope = store.console(connection)
        count = revocations.release(connection, scope, arguments.name, now_ms=store.clock.now_ms())
    print(f"{arguments.name}: {count} swipes and check-ins from before the theft count from now on")
    return DONE
