"""The command `muster reader heads`: thin readers' old head statements at once, or say what would go.

The server does the same by itself, some at a time (MUSTER_READER_HEADS_DAYS)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.policy import head_keeping
from server.settings import HEADS_DAYS_LEAST
from server.store import campus
from server.store.engine import writing
from server.thinning import DAY_MS, Thinning


def main(argv: Sequence[str]) -> int:
    """`muster reader heads [--dry-run] [--days N]`."""
    parser = argparse.ArgumentParser(
        prog="muster reader heads",
        description="Thin what readers stated each minute to what the promise needs: by what a door was known at a session's end.",
    )
    parser.add_argument("--dry-run", action="store_true", help="say how many would go, and remove none")
    parser.add_argument(
        "--days", type=int, help=f"older than this, {HEADS_DAYS_LEAST} at least (MUSTER_READER_HEADS_DAYS)"
    )
    return run(_heads, parser.parse_args(argv))


def _heads(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    days = store.settings.reader_heads_days if arguments.days is None else arguments.days
    if days == 0:
        print("Heads are kept for ever: reader_heads_days is 0. Say --days.")
        return DONE
    if days < HEADS_DAYS_LEAST:
        raise StoreError("usage", f"--days is at least {HEADS_DAYS_LEAST}: registers are still judged by newer ones")
    now_ms = store.clock.now_ms()
    done = Thinning(store.engine, days, dry=arguments.dry_run).all(now_ms).heads
    if not arguments.dry_run:
        with writing(store.engine) as connection:
            gone = done[head_keeping.GOES]
            campus.write_down(
                connection, store.console(connection), "heads.thin", "heads", now_ms, days=days, gone=gone
            )
    before = datetime.fromtimestamp((now_ms - days * DAY_MS) / 1000, UTC)
    verb = "would go" if arguments.dry_run else "went"
    print(
        f"Heads from before {before:%Y-%m-%d %H:%M} UTC: {done[head_keeping.GOES]} {verb}. "
        f"{done[head_keeping.KNOWN]} stay, by which a door was known at a session's end; {done[head_keeping.OPEN]} stay, "
        f"of which records are still missing; {done[head_keeping.ALIVE]} stay, by which it is told when a kiosk was alive; "
        "and each reader's newest."
    )
    return DONE
