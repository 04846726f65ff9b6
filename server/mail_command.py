"""The command `muster mail`: how mails by SMTP stand, and try again what failed. Nobody's address is in it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from server.commands import DONE, FAILED, open_store, run
from server.store import campus, mails
from server.store.engine import reading, writing


def main(argv: Sequence[str]) -> int:
    """`muster mail [--again]`."""
    parser = argparse.ArgumentParser(prog="muster mail", description="How the mails by SMTP stand.")
    parser.add_argument("--again", action="store_true", help="try at once what waits or failed, once more")
    return run(_mail, parser.parse_args(argv))


def _mail(arguments: argparse.Namespace) -> int:
    store = open_store().ready()
    now_ms = store.clock.now_ms()
    if arguments.again:
        with writing(store.engine) as connection:
            count = mails.again(connection, now_ms)
            campus.write_down(connection, store.console(connection), "mail.again", "mails", now_ms, count=count)
        print(f"{count} mails are tried at once, where the server runs.")
    with reading(store.engine) as connection:
        counts, troubled = mails.counts(connection), mails.troubled(connection)
    for (state, code), count in sorted(counts.items()):
        print(f"{count:6} {state}" + (f", last try: {code}" if code and code != state else ""))
    for one in troubled:
        at = (
            "" if one.ended_ms is None else f" {datetime.fromtimestamp(one.ended_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
        reply = "" if one.reply is None else f", reply {one.reply}"
        print(f"message {one.message_id}: {one.state}, {one.tries} tries,{at}{reply} [{one.code}]")
    return FAILED if any(state == mails.FAILED for state, _ in counts) else DONE
