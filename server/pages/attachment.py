"""A supporting file, to be saved: never shown in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from server.declared import act
from server.errors import NotFound
from server.pages.desk import Signed
from server.pages.guard import PageRoute, number
from server.store import attachments, request_files
from server.store.engine import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)

#: nothing in a file runs, whatever a browser makes of it
_HEADERS = {"content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'"}
_PIECE = 1 << 18


@router.get("/attachments/{attachment}")
@act("request.read", "absence.read")
def download(signed: Signed, attachment: str) -> Response:
    """The file's bytes, as they were when they were looked through."""
    attachment_id, here = number(attachment, "file"), signed.scope.institution_id
    with reading(signed.engine) as connection:
        found = attachments.one(connection, here, attachment_id)
        request_files.need(connection, signed.scope, found)
    try:
        file = attachments.opened(attachments.folder_of(signed.request.app.state.settings.data_dir), found)
    except NotFound:
        # Erased between the two: then there is no such file any more, and nobody need look for its bytes.
        with reading(signed.engine) as connection:
            attachments.one(connection, here, attachment_id)
        raise
    name = quote(found.file_name, safe="")
    named = f'filename="{name}"' if name == found.file_name else f"filename*=utf-8''{name}"
    headers = {"content-length": str(found.size), "content-disposition": f"attachment; {named}"}
    return StreamingResponse(
        _pieces(file),
        media_type=found.media_type,
        headers=_HEADERS | headers,
        # A browser that went away before the first piece leaves nothing open either.
        background=BackgroundTask(file.close),
    )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
