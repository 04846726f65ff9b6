"""The one person who does something: looks at the alarms while it drains, and releases holes that nobody can fill."""

from typing import TYPE_CHECKING

from server.errors import Unwritable
from server.store import journals
from server.store.engine import writing
from tests.simulation.stores import INSTITUTION

if TYPE_CHECKING:
    from tests.simulation.play import Run

HOLES = """
SELECT a.subject, j.reader_id, j.journal, j.up_to, j.head,
       (SELECT min(e.seq) FROM record e WHERE e.journal_id = j.id AND e.seq > j.up_to)
FROM alarm a JOIN reader r JOIN journal j ON j.reader_id = r.id AND a.subject = r.name || '/' || j.journal
WHERE a.code = 'journal-hole' AND a.closed_ms IS NULL AND j.head > j.up_to ORDER BY j.id
"""


class Technician:
    """Releases a hole only where an alarm tells of it and where nobody has what is missing."""

    def __init__(self, run: "Run") -> None:
        self.run = run

    def look(self) -> None:
        """Look at the doors page."""
        run = self.run
        if not run.server.is_on:
            return
        found = run.oracle.ask(HOLES)
        for subject, reader_id, journal, up_to, head, behind in found:
            reader = subject.partition("/")[0]
            last = head if behind is None else behind - 1
            missing = [seq for seq in range(up_to + 1, last + 1) if not run.remains(reader, journal, seq)]
            if not missing or missing[0] != up_to + 1:
                continue
            last = missing[0]
            while last + 1 in missing:
                last += 1
            try:
                with writing(run.server.engine) as connection:
                    held = journals.known(connection, reader_id, journal)
                    if held is None or held.up_to != up_to:
                        continue
                    now_ms = run.world.true_ms()
                    journals.declare_lost(connection, held, INSTITUTION, last, "nobody has it", None, now_ms)
            except Unwritable:
                return
            run.world.tell("tech", f"released {subject} {up_to + 1}..{last}")
            run.world.rare("hole released by a technician")
            run.oracle.declare(reader, journal, up_to + 1, last)
