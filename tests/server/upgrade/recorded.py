"""Records what a release says to its database: `python -m tests.server.upgrade.recorded OUT.json`, at the release.

The statements of a day in small: a delivery with hello, swipes and head, derivation, class lists, a register read and
marked, a login. Only the text is kept, each statement once; the next release runs them on its own schema.
"""

import json
import sys
import tempfile
from pathlib import Path

from sqlalchemy import event

from server.store import migrations
from tests.server.store_client import PASSWORD, Server
from tests.server.store_world import NINE, UIDS, World


def record() -> list[str]:
    """The statements, sorted."""
    said: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        world = World(f"sqlite:///{Path(folder) / 'r.db'}")

        @event.listens_for(world.engine, "before_cursor_execute")
        def _note(_connection, _cursor, statement, _parameters, _context, _many) -> None:
            if statement.split(None, 1)[0].upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
                said.add(statement)

        server = Server(world)
        session_id = world.session()
        server.teach(session_id)
        board = world.reader()
        world.now_ms = NINE
        board.swipe(UIDS[0], NINE)
        world.deliver(board.hello(), *board.lines, board.pair(NINE), board.head(NINE))
        server.app.state.jobs.step(everything=True)
        world.settle()
        server.client.post("/sign-in", data={"login": "admin", "password": PASSWORD})
        for path in ("/", f"/register/{session_id}", "/doors", "/api/v1/swipes", "/metrics"):
            server.ask("GET", path, "admin")
        headers = {"Authorization": f"Bearer {server.gateway}"}
        server.client.get("/api/gateway/v1/rosters", headers=headers)
        world.close()
    return sorted(said)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"schema": migrations.newest(), "statements": record()}, indent=1) + "\n")
