"""Releases of the boards' firmware: brought here signed, sent out in stages, stopped and let go on. No student is named."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from server.declared import act
from server.errors import NotAllowed, StoreError
from server.pages import words
from server.pages.desk import Signed, Visit
from server.pages.guard import PageRoute, check_csrf, form, id_in, number
from server.pages.local import Local
from server.pages.rendering import page
from server.pages.upload import Sent, files_and_fields
from server.pages.words import Said
from server.policy import rollout as policy
from server.store import releases, rollout_lists, rollouts
from server.store.engine import reading, writing
from server.store.releases import Release
from server.store.rollout_lists import Rollout, Taker

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Form = Annotated[dict[str, str], Depends(form)]
Upload = Annotated[Sent, Depends(files_and_fields)]
HERE = "/doors/releases"
_SAID = {
    "added": "The release is here. It goes to no reader before you start a roll-out.",
    "started": "It goes out. Each stage begins when the one before it was well for long enough.",
    "asked": "It goes to this reader now; the roll-out below says how far it is.",
    "stopped": "Stopped: nothing more is sent. Readers keep what they run.",
    "on": "It goes on. Those that failed so far are left out.",
    "ended": "Ended. The release can be sent out anew, and so can another one.",
}
_BOARDS = {"pico": "Pico", "pi": "Raspberry Pi"}
_STATES = {
    rollouts.RUNNING: Said("calm", "goes out"),
    rollouts.STOPPED: Said("late", "stopped"),
    rollouts.DONE: Said("good", "done"),
    rollouts.ENDED: Said("", "ended"),
}
_OF_READER = {
    policy.WAITING: Said("", "waits for its turn"),
    policy.ASKED: Said("calm", "asked"),
    policy.TAKING: Said("calm", "takes it"),
    policy.TRIAL: Said("calm", "has it, on trial"),
    policy.CONFIRMED: Said("good", "confirmed"),
    policy.REFUSED: Said("bad", "refused it"),
    policy.FAILED: Said("bad", "did not keep it"),
    policy.SILENT: Said("late", "did not answer"),
}
#: why a reader has it not (docs/updates.md)
_WHY = {
    policy.LOST: "it had all of it and was not heard again: go and look",
    "update-failed": "it did not run there: what ran before runs again",
    "update-unsigned": "no key of its settings signed it: provision it again with this store's keys",
    "update-older": "it has a newer one",
    "update-too-far": "it must take an older release first",
    "update-failed-before": "it failed there before: make a new one",
    "update-on-trial": "another one is on trial there",
    "update-too-often": "it was sent there too often: wait some hours",
    "update-flash": "no room, or its flash refused: provision it again",
}


@router.get(HERE)
@act("doors.tend")
def every(signed: Signed, said: str = "") -> Response:
    """The releases, the roll-outs, and a form to bring a release."""
    return _show(signed, said=_SAID.get(said, ""))


@router.post(HERE)
@act("doors.tend")
def bring(signed: Signed, sent: Upload) -> Response:
    """Keep a signed pack. Brought twice it is kept once."""
    try:
        if sent.problem is not None:
            raise sent.problem
        if len(sent.arrived) != 1:
            raise StoreError("release-file", "choose one file: a signed pack, such as muster-0.2.0.pack")
        data = sent.arrived[0].path.read_bytes()
        with writing(signed.engine) as connection:
            releases.add(connection, signed.scope, data, signed.now_ms())
    except StoreError as error:
        return _refused(signed, error)
    return RedirectResponse(f"{HERE}?said=added", status_code=303)


@router.post(HERE + "/{release}/start")
@act("doors.tend")
def start(signed: Signed, release: str, fields: Form) -> Response:
    """Send it out in stages. Asked for twice it is one roll-out."""
    check_csrf(fields, signed.login)
    try:
        percents = _percents(fields.get("stages", ""))
        soak = fields.get("soak", "")
        if not soak.isascii() or not soak.isdigit() or len(soak) > 6:
            raise StoreError("rollout-soak", "say for how many minutes a stage is looked at, such as 10")
        with writing(signed.engine) as connection:
            rollouts.start(
                connection,
                signed.scope,
                number(release, "release"),
                percents=percents,
                soak_min=int(soak),
                now_ms=signed.now_ms(),
            )
    except StoreError as error:
        return _refused(signed, error)
    return RedirectResponse(f"{HERE}?said=started", status_code=303)


@router.get(HERE + "/rollouts/{rollout}")
@act("doors.tend")
def show(signed: Signed, rollout: str) -> Response:
    """One roll-out, reader by reader. Raises NotFound(`rollout`)."""
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        one = rollout_lists.one(connection, signed.scope, number(rollout, "rollout"))
        takers = rollout_lists.takers(connection, signed.scope, one.id)
    return page(
        signed.request,
        "rollout.html",
        login=signed.login,
        csrf=signed.login.csrf,
        one=_rollout(one, local),
        takers=[_taker(each, local) for each in takers],
    )


@router.post(HERE + "/rollouts/{rollout}/stop")
@act("doors.tend")
def stop(signed: Signed, rollout: str, fields: Form) -> Response:
    """Send nothing more."""
    return _turn(signed, rollout, fields, rollouts.stop, "stopped")


@router.post(HERE + "/rollouts/{rollout}/go-on")
@act("doors.tend")
def go_on(signed: Signed, rollout: str, fields: Form) -> Response:
    """A stopped one goes on."""
    return _turn(signed, rollout, fields, rollouts.go_on, "on")


@router.post(HERE + "/rollouts/{rollout}/end")
@act("doors.tend")
def end(signed: Signed, rollout: str, fields: Form) -> Response:
    """A stopped one goes no further for good."""
    return _turn(signed, rollout, fields, rollouts.end, "ended")


@router.post("/doors/readers/{reader}/update")
@act("doors.tend")
def update(signed: Signed, reader: str, fields: Form) -> Response:
    """Send a release to this one reader. Asked for twice it is sent once."""
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            release_id = id_in(fields.get("release", ""))
            if release_id is None:
                raise StoreError("release", "say which release: its page offers the newest that it can take")
            rollouts.start_one(connection, signed.scope, release_id, reader, signed.now_ms())
    except StoreError as error:
        return _refused(signed, error)
    return RedirectResponse(f"{HERE}?said=asked", status_code=303)


def _turn(signed: Visit, rollout: str, fields: dict[str, str], work: Any, said: str) -> Response:
    check_csrf(fields, signed.login)
    try:
        with writing(signed.engine) as connection:
            work(connection, signed.scope, number(rollout, "rollout"), signed.now_ms())
    except StoreError as error:
        return _refused(signed, error)
    return RedirectResponse(f"{HERE}?said={said}", status_code=303)


def _percents(text: str) -> list[int]:
    parts = text.replace(",", " ").split()
    if not parts or len(parts) > 8 or not all(one.isascii() and one.isdigit() and len(one) <= 3 for one in parts):
        raise StoreError("rollout-stages", "stages are rising percents of the readers, such as 1, 10, 100")
    return [int(one) for one in parts]


def _refused(signed: Visit, error: StoreError) -> Response:
    if isinstance(error, NotAllowed) or error.status in (404, 500, 503):
        raise error
    return _show(signed, problem=error)


def _show(signed: Visit, *, said: str = "", problem: StoreError | None = None) -> Response:
    with reading(signed.engine) as connection:
        local = signed.local(connection)
        here = signed.scope.institution_id
        found = releases.listed(connection, here)
        trusted = releases.keys(connection, here)
        gone = rollout_lists.listed(connection, signed.scope)
    # Only the newest of a board is offered: who has an older counter goes to it at once.
    newest = {one.board: one.id for one in reversed(found)}
    return page(
        signed.request,
        "releases.html",
        status=200 if problem is None else problem.status,
        login=signed.login,
        csrf=signed.login.csrf,
        said=said,
        problem=None if problem is None else words.sentence(problem),
        releases=[_release(one, local, newest[one.board] == one.id) for one in found],
        rollouts=[_rollout(one, local) for one in gone],
        trusted=[one.id for one in trusted],
        stages=", ".join(map(str, policy.STAGES)),
        soak=policy.SOAK_MIN,
    )


def _release(one: Release, local: Local, newest: bool) -> dict[str, Any]:
    return {
        "id": one.id,
        "board": _BOARDS.get(one.board, one.board),
        "version": one.version,
        "counter": one.counter,
        "minimum": one.minimum,
        "size": f"{one.size / 1024:.0f} KB",
        "key": one.key_number,
        "added": local.moment(one.added_ms) + (f", by {one.by}" if one.by else ""),
        "newest": newest,
    }


def _rollout(one: Rollout, local: Local) -> dict[str, Any]:
    stages = []
    for nth, counts in enumerate(one.stages, start=1):
        told = [f"{many} {_OF_READER[state].text}" for state in policy.STATES if (many := counts.get(state))]
        stages.append({"nth": nth, "now": nth == one.stage and one.state == rollouts.RUNNING, "told": ", ".join(told)})
    state = _STATES[one.state]
    return {
        "id": one.id,
        "what": f"{one.version} for {_BOARDS.get(one.board, one.board)}",
        "whole": bool(one.percents),
        "kind": "bad" if one.why else state.kind,
        "state": "stopped by itself" if one.why and one.state == rollouts.STOPPED else state.text,
        "why": one.why,
        "began": local.moment(one.began_ms) + (f", by {one.by}" if one.by else ""),
        "ended": None if one.ended_ms is None else local.moment(one.ended_ms),
        "soak": one.soak_ms // 60_000,
        "stages": stages,
        "running": one.state == rollouts.RUNNING,
        "stopped": one.state == rollouts.STOPPED,
    }


def _taker(one: Taker, local: Local) -> dict[str, Any]:
    state = _OF_READER[one.state]
    why = _WHY.get(one.code, f"code {one.code}") if one.code else ""
    if one.state == policy.TAKING:
        why = f"{100 * one.have // one.size} of 100"
    return {
        "reader": one.reader,
        "stage": one.stage,
        "kind": state.kind,
        "state": state.text,
        "why": why,
        "heard": "" if one.heard_ms is None else local.moment(one.heard_ms),
    }
