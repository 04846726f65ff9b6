"""Forms that carry files: multipart read as it comes, each file to a file of its own, nothing of it in memory whole.

Bounded everywhere: files and their sizes, fields, headers, what one account has under way. The form's CSRF token comes
before its first file, or no byte of a file is kept. `server/api/limits.py` bounds the whole and its time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import Depends, Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from server.errors import StoreError, TooMuch
from server.pages.guard import check_csrf, clean, pairs, who
from server.store import attachments
from server.store.attachments import Ready
from server.store.logins import Login

FILES_MOST = 5
#: a register of several hundred students has a few fields for each
FIELDS_MOST, FIELD_MOST = 3000, 20_000
#: all fields together, in bytes
TEXT_MOST = 256 * 1024
#: files that one account, and everybody, may have under way
UNDER_WAY_MOST, ALL_UNDER_WAY_MOST = 10, 100
_PIECE = 256 * 1024


@dataclass(kw_only=True)
class Arrived:
    """A file that came in, not looked at yet."""

    path: Path
    file_name: str
    size: int = 0


@dataclass(kw_only=True)
class Sent:
    """What a form brought. A name may come several times."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    #: why its files cannot be taken, told when they are asked for: so the form can be shown again with what it said
    problem: StoreError | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields, each once, the last one counts."""
        return dict(self.pairs)

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for found, value in self.pairs if found == name]

    def ready(self) -> list[Ready]:
        """Its files, looked through; outside of any transaction. Raises StoreError(`file-*`)."""
        if self.problem is not None:
            raise self.problem
        return [attachments.make_ready(one.path, one.file_name) for one in self.arrived]


async def files_and_fields(request: Request, login: Annotated[Login, Depends(who)]) -> AsyncIterator[Sent]:
    """Dependency: a form with or without files, its CSRF token checked. Files nobody attached go afterwards.

    Raises NotAllowed(`csrf`), TooMuch(`form`, `file-busy`), StoreError(`form-cut`).
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        sent = Sent(pairs=await pairs(request, most=FIELDS_MOST, longest=FIELD_MOST))
        check_csrf(sent.fields, login)
        yield sent
        return
    folder = attachments.folder_of(request.app.state.settings.data_dir)
    reader = _Reader(folder, login, options.get(b"boundary", b""))
    try:
        await reader.read(request)
        yield reader.sent
    finally:
        reader.close()


class _Reader:
    """Takes one multipart body apart. The parser's callbacks only note what to do; the writing is done in a thread."""

    def __init__(self, folder: Path, login: Login, boundary: bytes) -> None:
        self.sent = Sent()
        self._folder, self._login, self._boundary = folder, login, boundary
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._name = ""
        self._file: BinaryIO | None = None
        self._arriving: Arrived | None = None
        self._is_file = False
        self._value = bytearray()
        self._text = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._ended = False
        self._made: list[Path] = []

    async def read(self, request: Request) -> None:
        """Read the body to its end."""
        try:
            parser = MultipartParser(
                self._boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._end,
                },
            )
            async for chunk in request.stream():
                # In pieces: one of ours is never so long that a thread waits for it.
                for at in range(0, len(chunk), _PIECE):
                    await self._feed(parser, chunk[at : at + _PIECE])
        except (FormParserError, ClientDisconnect):
            raise StoreError("form-cut", "the form did not arrive whole: send it again") from None
        if not self._ended:
            raise StoreError("form-cut", "the form did not arrive whole: send it again")
        check_csrf(self.sent.fields, self._login)

    async def _feed(self, parser: MultipartParser, piece: bytes) -> None:
        parser.write(piece)
        if self._held_size >= _PIECE:
            await run_in_threadpool(self._flush)

    def _part_begins(self) -> None:
        self._disposition, self._is_file, self._arriving = b"", False, None
        self._value = bytearray()

    def _header_ends(self) -> None:
        name, value = (bytes(one) for one in self._header)
        self._header = [bytearray(), bytearray()]
        if name.strip().lower() == b"content-disposition":
            self._disposition = value

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        self._name = clean(options.get(b"name", b"").decode("utf-8", "replace"), 100)
        self._is_file = b"filename" in options
        if self._is_file:
            self._file_begins(options[b"filename"].decode("utf-8", "replace"))
        elif len(self.sent.pairs) >= FIELDS_MOST:
            raise TooMuch("form", "this form has too many fields: ask for fewer students at once")

    def _file_begins(self, file_name: str) -> None:
        # A file field that was left empty comes with an empty name.
        if not file_name or self.sent.problem is not None:
            return
        check_csrf(self.sent.fields, self._login)
        if len(self.sent.arrived) >= FILES_MOST:
            self.sent.problem = TooMuch("file-count", f"attach at most {FILES_MOST} files at once")
            return
        under_way = [path.name for path in attachments.incoming(self._folder).iterdir()]
        mine = sum(name.startswith(f"{self._login.account_id}-") for name in under_way)
        if mine >= UNDER_WAY_MOST or len(under_way) >= ALL_UNDER_WAY_MOST:
            raise TooMuch("file-busy", "too many files are being sent now: wait a minute, and send yours again")
        try:
            path = attachments.new_file(self._folder, self._login.account_id)
        except StoreError as error:
            self.sent.problem = error
            return
        self._made.append(path)
        self._arriving = Arrived(path=path, file_name=file_name)
        self.sent.arrived.append(self._arriving)
        self._file = path.open("wb", buffering=0)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self._text += end - start
            if self._text > TEXT_MOST or len(self._value) + end - start > FIELD_MOST:
                raise TooMuch("form", "this form is too long: write less")
            self._value += data[start:end]
        elif self._arriving is not None:
            self._arriving.size += end - start
            if self._arriving.size > attachments.SIZE_MOST:
                self.sent.problem = attachments.too_large(self._arriving.file_name)
                self._arriving = None
                self._flush()
            else:
                self._held.append(bytes(data[start:end]))
                self._held_size += end - start

    def _part_ends(self) -> None:
        if not self._is_file:
            self.sent.pairs.append((self._name, clean(self._value.decode("utf-8", "replace"), FIELD_MOST)))
        elif self._file is not None:
            self._flush()
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        if self._file is None:
            return
        content = b"".join(self._held)
        self._held, self._held_size = [], 0
        view = memoryview(content)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            self._arriving = None
            self.sent.problem = attachments.no_room()

    def _end(self) -> None:
        self._ended = True

    def close(self) -> None:
        """What was not attached goes."""
        if self._file is not None:
            self._file.close()
        for path in self._made:
            with suppress(OSError):
                path.unlink(missing_ok=True)
