"""One shape for every error that leaves the server: `{"error": {"code", "text"}}`; in a browser it is a page."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from server.errors import StoreError

log = logging.getLogger("muster.api")
_CODES = {404: "not-found", 405: "method", 413: "too-much", 422: "request"}
_TEXTS = {404: "there is nothing at this address: check it", 405: "this address is not used like that"}
#: on an exception that stands in our log
_LOGGED = "_muster_logged"


class Said(BaseModel):
    """What went wrong: a stable code for machines, and a text for whoever has to act."""

    code: str
    text: str


class Problem(BaseModel):
    """Every error's answer."""

    error: Said


_MEANS = {
    400: "Something that was asked for cannot be.",
    401: "Nobody is signed in, or the token is none.",
    403: "Signed in, and not allowed this.",
    404: "There is no such thing, or not for whoever asks.",
    409: "Understood, and not done: it would break a rule.",
    413: "More at once than is taken.",
    422: "The request is not of the form that is described here.",
    429: "More often than is taken: wait.",
    503: "The database cannot be written or reached now: try again.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How these errors stand in the OpenAPI document."""
    return {status: {"model": Problem, "description": _MEANS[status]} for status in statuses}


def documented_beside_text(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for an operation that answers with text: by `model` an error would be documented as text too."""
    shape = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return {status: {"content": shape, "description": _MEANS[status]} for status in statuses}


def shaped(status: int, code: str, text: str) -> JSONResponse:
    """An error's answer."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "1"
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": {"code": code, "text": text}}, status_code=status, headers=headers)


def answer(request: Request, error: StoreError) -> Response:
    """An error's answer: a page where a person's browser asks for one, the shape for programs."""
    problem = getattr(request.app.state, "problem", None)
    asks = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if problem is not None and asks:
        return problem(request, error)
    return shaped(error.status, error.code, str(error))


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    return answer(request, error)


async def _theirs(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    made = StoreError(_CODES.get(status, "http"), _TEXTS.get(status, str(error.detail)))
    made.status = status
    return answer(request, made)


async def _request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Where and what, never the value: it may be anybody's.
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
    return shaped(422, "request", said)


async def _fault(request: Request, error: Exception) -> Response:
    log.error("fault path=%s error=%s", request.url.path, type(error).__name__, exc_info=error)
    # The framework raises it again after this answer, and the server around it would log it again.
    setattr(error, _LOGGED, True)
    made = StoreError("fault", "the server made a mistake; it is in its log")
    made.status = 500
    return answer(request, made)


def is_logged(error: BaseException) -> bool:
    """Whether this fault stands in our log already."""
    return getattr(error, _LOGGED, False)


def install(app: FastAPI) -> None:
    """Give the app this shape for all its errors."""
    app.add_exception_handler(StoreError, _ours)
    app.add_exception_handler(HTTPException, _theirs)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(Exception, _fault)
