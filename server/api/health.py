"""/healthz and /metrics: for machines that look after the server. No person and no card is in them."""

from __future__ import annotations

import threading

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from server.api.errors import documented, documented_beside_text, shaped
from server.declared import public
from server.deliveries import Answer
from server.errors import StoreError
from server.fleet import figures
from server.store import alarms, due, institutions, mails, quarantines, swipes
from server.store.engine import reading, writes

router = APIRouter(tags=["health"], responses=documented(413, 503))


class Counters:
    """What this process did since its start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.batches = self.new = self.same = self.suspect = 0

    def delivered(self, answer: Answer) -> None:
        """Count a committed delivery."""
        with self._lock:
            self.batches += 1
            self.new += answer.new
            self.same += answer.same
            self.suspect += answer.suspect


@router.get("/healthz")
@public("for machines that look after the server; no person is in it")
def healthz(request: Request) -> JSONResponse:
    """200 where the database answers and can be written; 503 in the errors' shape where it cannot, as far as was seen:
    after a write that failed, until one succeeds (the background work tries)."""
    failed = writes(request.app.state.engine).failed
    if failed is not None:
        return shaped(503, failed.code, str(failed))
    try:
        with reading(request.app.state.engine) as connection:
            institutions.every(connection)
    except StoreError as error:
        return shaped(503, error.code, str(error))
    return JSONResponse({"ok": True})


@router.get("/metrics", response_class=PlainTextResponse, responses=documented_beside_text(413, 503))
@public("for machines that look after the server; no person is in it")
def metrics(request: Request) -> PlainTextResponse:
    """Prometheus text format."""
    state = request.app.state
    counters, jobs, written = state.counters, state.jobs, writes(state.engine)
    lines = [
        ("muster_deliveries_total", "counter", "", counters.batches),
        ("muster_records_total", "counter", '{outcome="new"}', counters.new),
        ("muster_records_total", "counter", '{outcome="same"}', counters.same),
        ("muster_suspects_total", "counter", "", counters.suspect),
        ("muster_derived_persons_total", "counter", "", jobs.derived),
        ("muster_credits_total", "counter", "", jobs.credited),
        ("muster_registers_released_total", "counter", "", jobs.released),
        ("muster_rosters_issued_total", "counter", "", jobs.issued),
        ("muster_job_failures_total", "counter", "", jobs.failures),
        ("muster_write_failures_total", "counter", "", written.failures),
        ("muster_unwritable", "gauge", "", int(written.failed is not None)),
    ]
    with reading(state.engine) as connection:
        oldest: list[int] = []
        fleet: list[figures.Line] = []
        for found in institutions.every(connection):
            here = figures.labelled({"institution": found.name})
            lines.append(("muster_due_persons", "gauge", f"{{{here}}}", due.waiting(connection, found.id)))
            lines.append(("muster_swipes_unplaced", "gauge", f"{{{here}}}", swipes.unplaced(connection, found.id)))
            lines.append(("muster_swipes_differing", "gauge", f"{{{here}}}", swipes.differing(connection, found.id)))
            lines.append(("muster_alarms", "gauge", f"{{{here}}}", len(alarms.open_alarms(connection, found.id))))
            lines += [
                ("muster_quarantine", "gauge", f'{{{here},code="{code}"}}', count)
                for code, count in quarantines.counts(connection, found.id).items()
            ]
            fleet += figures.whole(connection, found.id, found.name, state.clock.now_ms())
            mailed = mails.counted(connection, found.id)
            lines += [
                ("muster_mails", "gauge", f'{{{here},state="{name}"}}', mailed.by_state[name]) for name in mails.STATES
            ]
            oldest += [] if mailed.oldest_ms is None else [mailed.oldest_ms]
        waits_s = max(0, state.clock.now_ms() - min(oldest)) // 1000 if oldest else 0
        lines.append(("muster_mail_waiting_seconds", "gauge", "", waits_s))
    text, said = [], set()
    for name, sort, labels, value in lines:
        if name not in said:
            text.append(f"# TYPE {name} {sort}")
            said.add(name)
        text.append(f"{name}{labels} {value}")
    return PlainTextResponse("\n".join(text) + "\n" + figures.text(fleet), media_type="text/plain; version=0.0.4")
