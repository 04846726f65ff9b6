"""One shape for every error that leaves the server: `{"error": {"code", "text"}}`."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from server.errors import StoreError

log = logging.getLogger("muster.api")
_CODES = {404: "not-found", 405: "method", 413: "too-much", 422: "request"}


def shaped(status: int, code: str, text: str) -> JSONResponse:
    """An error's answer."""
    headers = {"Retry-After": "1"} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": {"code": code, "text": text}}, status_code=status, headers=headers)


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreError)
    return shaped(error.status, error.code, str(error))


async def _theirs(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return shaped(error.status_code, _CODES.get(error.status_code, "http"), str(error.detail))


async def _request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Where and what, never the value: it may be anybody's.
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
    return shaped(422, "request", said)


async def _fault(request: Request, error: Exception) -> JSONResponse:
    log.error("fault path=%s error=%s", request.url.path, type(error).__name__, exc_info=error)
    return shaped(500, "fault", "the server made a mistake; it is in its log")


def install(app: FastAPI) -> None:
    """Give the app this shape for all its errors."""
    app.add_exception_handler(StoreError, _ours)
    app.add_exception_handler(HTTPException, _theirs)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(Exception, _fault)
