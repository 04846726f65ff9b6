"""The command `muster retention`: what the retention rules would empty or remove now; and doing it at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.policy import retention as policy
from server.retention import Retention
from server.store import campus
from server.store.engine import writing


def main(argv: Sequence[str]) -> int:
    """`muster retention [--dry-run]`."""
    parser = argparse.ArgumentParser(
        prog="muster retention", description="Empty or remove what the retention rules say, now (docs/privacy.md)."
    )
    parser.add_argument("--dry-run", action="store_true", help="say how much would go by each rule, and touch nothing")
    return run(_retention, parser.parse_args(argv))


def _retention(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    if not arguments.dry_run and not store.settings.retention:
        raise StoreError("retention-off", "retention is off: look with --dry-run, then set MUSTER_RETENTION to yes")
    work = Retention(
        store.engine, policy.load(store.settings.retention_file), letters_in=store.settings.data_dir / "outbox"
    )
    now_ms = store.clock.now_ms()
    found = work.counts(now_ms) if arguments.dry_run else work.all(now_ms)
    if not arguments.dry_run:
        with writing(store.engine) as connection:
            gone = {rule.name: many for rule, many in found if many}
            campus.write_down(connection, store.console(connection), "retention.run", "retention", now_ms, **gone)
    for rule, many in found:
        print(f"{many:8}  {rule.name}: {rule.says}, {rule.days} days after {rule.after} [{rule.cites}]")
    if arguments.dry_run:
        on = "The server does it by itself." if store.settings.retention else "Nothing goes: MUSTER_RETENTION is off."
        print(f"So many would go now. {on}")
    return DONE
