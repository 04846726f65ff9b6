"""The store's real intake in a process that is to be killed, failed and cut off.

    python store_worker.py REPOSITORY FOLDER SABOTEUR

FOLDER holds `store.db`, made and migrated, and `lines.json`: what a gateway delivers, batch after batch. Each batch is
one transaction, as a request is; what the store cannot write is delivered again, and so is everything at a start.
On standard output after each commit: `receipt JOURNAL UP_TO`, as the reader would hear it, and `unwell CODE` where the
engine says so of the disk all the same; `error CODE`, `gave-up`, `done`. The saboteurs are what the tests must catch.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from sqlalchemy import event

from firmware.contract import statement
from server import deliveries
from server.errors import Unwritable
from server.store import readers
from server.store.engine import open_engine, writes, writing
from server.vault import Vault

folder, saboteur = Path(sys.argv[2]), sys.argv[3]
NOW_MS = 1_790_000_000_000
TRIES = 40


def say(*words):
    os.write(1, (" ".join(words) + "\n").encode())


def tell(answer):
    for one in answer.down:
        said = statement.read(one["line"])
        if said.kind == "receipt":
            say("receipt", said.values["journal"], str(said.values["up_to"]))


silent = saboteur == "carried-over-in-silence"
OFTEN = 25  #: pages, so that a short run has some checkpoints
engine = open_engine(f"sqlite:///{folder}/store.db", checkpoint_pages=10**9 if silent else OFTEN)

if silent:

    @event.listens_for(engine, "connect")
    def _by_itself(raw, _record):
        raw.execute(f"PRAGMA wal_autocheckpoint = {OFTEN}")


if saboteur in ("OFF", "NORMAL"):

    @event.listens_for(engine, "begin")
    def _careless(connection):
        connection.connection.dbapi_connection.execute(f"PRAGMA synchronous = {saboteur}")


ring = readers.KeyRing(Vault(b"k" * 32))
for number, batch in enumerate(json.loads((folder / "lines.json").read_text())):
    items = [
        deliveries.Item(id=f"{number}-{n}", site="main", reader="a-1", kind=kind, line=line, received_ms=1)
        for n, (kind, line) in enumerate(batch)
    ]
    for _ in range(TRIES):
        try:
            with writing(engine) as connection:
                answer = deliveries.deliver(
                    connection, ring, items, institution_id=1, gateway_id=None, now_ms=NOW_MS + number
                )
                if saboteur == "receipt-before-the-commit":
                    tell(answer)
        except Unwritable as error:
            say("error", error.code)
            time.sleep(0.005)
            continue
        if saboteur != "receipt-before-the-commit":
            tell(answer)
        failed = writes(engine).failed
        if failed is not None:  # committed; what came after was not well, and its health page says so
            say("unwell", failed.code)
        break
    else:
        say("gave-up")
        sys.exit(3)
engine.dispose()
say("done")
