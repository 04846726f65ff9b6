"""The API against its own OpenAPI document: schemathesis makes requests that it allows, and some that it does not."""

from __future__ import annotations

import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.store_client import Server
from tests.server.store_world import MIN, NINE, World

#: requests of one operation and kind before the next one's turn
EACH = 20
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
#: what the document says of answers
DOCUMENTED = (status_code_conformance, content_type_conformance, response_schema_conformance)
#: what schemathesis draws from is large and slow: no fault of what is tested
SLOW = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much, hypothesis.HealthCheck.data_too_large)
#: nothing here may need more, MiB: the tests' own libraries take about 200 of it
MEMORY_MIB = 700
#: and more than this beyond what the process had before, where that was a test's worker with much behind it
GROWS_MIB = 400


@dataclass(kw_only=True)
class Tried:
    """What became of the requests. problems: an operation's name and what it answered (a fault, or what the document
    does not say), or raised."""

    operations: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    peak_mib: int = 0


def fuzz(
    seconds: float,
    seed: int,
    *,
    each: int = EACH,
    only: str = "",
    prepare: Callable[[Server], None] = lambda _server: None,
) -> Tried:
    """Every operation in turn, as whoever may call it and as who may not, until the time is over; each once at least.

    each: requests of one operation and kind in a turn. only: paths that begin so. prepare: done to the server before.
    """
    with tempfile.TemporaryDirectory(prefix="muster-fuzz-") as folder:
        world = World(f"sqlite:///{folder}/store.db")
        world.now_ms = NINE + 10 * MIN
        server = Server(world)
        prepare(server)
        server.teach(world.session())
        board = world.reader()
        world.deliver(board.hello(), *board.lines)
        try:
            return turns(server, seconds, seed, each, only)
        finally:
            world.close()


def turns(server: Server, seconds: float, seed: int, each: int, only: str) -> Tried:
    """See `fuzz`."""
    tried = Tried()
    before_mib = _peak_mib()
    schema = schemathesis.openapi.from_asgi("/openapi.json", server.app)
    operations = [found.ok() for found in schema.get_all_operations() if found.ok().path.startswith(only)]
    tried.operations = len(operations)
    ends_s = time.monotonic() + seconds
    turn = 0
    while turn == 0 or (time.monotonic() < ends_s and not tried.problems):
        for number, operation in enumerate(operations):
            for mode in MODES:
                if turn and time.monotonic() >= ends_s:
                    break
                some(server, operation, mode, seed * 1_000_003 + turn * 1_009 + number, each, tried)
        turn += 1
    tried.peak_mib = _peak_mib()
    if tried.peak_mib > max(MEMORY_MIB, before_mib + GROWS_MIB):
        tried.problems.append(f"memory: {tried.peak_mib} MiB after {before_mib}; {MEMORY_MIB} are the bound")
    return tried


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def some(server: Server, operation: Any, mode: GenerationMode, seed: int, each: int, tried: Tried) -> None:
    """Some requests of one operation."""
    may = [server.gateway] * 3 if "/gateway/" in operation.path else [*server.tokens.values()]
    callers: list[str | None] = [*may, server.tokens["admin"], server.gateway, None]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=each, deadline=None, database=None, suppress_health_check=SLOW,
        phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        token = callers[tried.requests % len(callers)]
        tried.requests += 1
        if tried.requests % 3 == 0:  # numbers of things that are there are hardly ever drawn
            case.path_parameters = dict.fromkeys(case.path_parameters or {}, 1)
        case.headers = {**(case.headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        try:
            answer = case.call()
            status = answer.status_code
        except Exception as error:  # noqa: BLE001  whatever the server lets out is what is looked for
            tried.problems.append(f"{operation.label}: {type(error).__name__}: {error!s:.200}")
            return
        tried.statuses[status] += 1
        if status >= 500:
            tried.problems.append(f"{operation.label}: {status} to {case.as_curl_command()[:300]}")
        else:
            tried.problems += undocumented(operation.label, case, answer)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        # There are operations with nothing to get wrong.
        return


def undocumented(label: str, case: Any, answer: Any) -> list[str]:
    """What in an answer the OpenAPI document does not say: its status, its kind, its shape."""
    try:
        case.validate_response(answer, checks=list(DOCUMENTED))
    except FailureGroup as group:
        return [f"{label}: {answer.status_code}: {type(one).__name__}: {one!s:.200}" for one in group.exceptions]
    except Failure as one:
        return [f"{label}: {answer.status_code}: {type(one).__name__}: {one!s:.200}"]
    return []
