"""The command `muster server`: migrate, run. Wiring only."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import socket
from collections.abc import Sequence

import uvicorn

from server.api import limits
from server.app import make_app
from server.commands import DONE, open_store, run
from server.errors import StoreError
from server.store import campus, migrations
from server.store.engine import writing


def main(argv: Sequence[str]) -> int:
    """`muster server migrate|run`."""
    parser = argparse.ArgumentParser(prog="muster server", description="The store, its API and its pages.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("migrate", help="bring the database to the newest schema; safe to run again")
    one.set_defaults(work=_migrate)
    one = commands.add_parser("run", help="serve until Ctrl-C")
    one.add_argument("--host", help="where to listen (MUSTER_HOST)")
    one.add_argument("--port", type=int, help="0: any free port, printed at start (MUSTER_PORT)")
    one.set_defaults(work=_serve)
    arguments = parser.parse_args(argv)
    return run(arguments.work, arguments)


def _migrate(_arguments: argparse.Namespace) -> int:
    store = open_store()
    found, ours = migrations.at(store.engine), migrations.newest()
    migrations.upgrade(store.engine)
    with writing(store.engine) as connection:
        scope = store.console(connection)
        if found != ours:
            now_ms = store.clock.now_ms()
            campus.write_down(connection, scope, "store.upgrade", "store", now_ms, was=found or "none", now=ours)
    _ = store.vault
    print("The database has the newest schema.")
    return DONE


def _serve(arguments: argparse.Namespace) -> int:
    files = limits.raise_files()
    store = open_store().ready()
    app = make_app(store.settings, store.engine, store.clock, store.vault)
    host = arguments.host or store.settings.host
    port = store.settings.port if arguments.port is None else arguments.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or asyncio does not set TCP_NODELAY and every small answer waits 40 ms for its client's ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Before the line below is printed: whoever reads it may connect at once.
        listening.listen(limits.BACKLOG)
    except OSError as error:
        raise StoreError(
            "listen", f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
    # What was made until now lives as long as the server: to look through it for garbage takes longer than a page.
    gc.collect()
    gc.freeze()
    # One line, for whoever started it with port 0.
    print(f"muster server: http://{host}:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app,
        http=limits.Patience,
        ws="none",
        log_level="warning",
        access_log=False,
        backlog=limits.BACKLOG,
        limit_concurrency=limits.connections_most(files),
    )
    # After the Config: it sets the loggers up.
    quiet = limits.Quiet()
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(quiet)
    # uvicorn ends in good order at Ctrl-C, and raises it again.
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    store.engine.dispose()
    return DONE
