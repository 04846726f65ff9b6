"""Whose card is which: UIDs from a cards CSV or from `userIds`. A UID lives here only as long as the import runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from server.errors import StoreError
from server.imports import csvfile
from server.imports.badrows import BadRows, masked, quoted

#: a token with its key's id
Token = tuple[int, bytes]
#: UID -> its tokens; raises StoreError for a UID that identifies nobody
Tokens = Callable[[bytes], list[Token]]

_ENTRY = re.compile(r"\{\s*([^:{}]+?)\s*:\s*([^{}]*?)\s*\}")
_BETWEEN = re.compile(r"[\s:.-]")


@dataclass(frozen=True, kw_only=True)
class CardRow:
    """One person's card as a file says it. uid: as written; '' ends the person's cards."""

    file: str
    line: int
    user: str
    uid: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Cards:
    """What cards people should have. complete: whoever is not in it has none any more."""

    #: sourcedId of the user -> the tokens of each card
    wanted: Mapping[str, tuple[tuple[Token, ...], ...]]
    complete: bool
    #: where each card was read: tokens -> (file, line, masked UID)
    where: Mapping[tuple[Token, ...], tuple[str, int, str]] = field(repr=False)
    #: where each user's cards were read
    lines: Mapping[str, tuple[str, int]]


def in_file(name: str, data: bytes, bad: BadRows) -> list[CardRow]:
    """The rows of a cards CSV: userSourcedId,uid."""
    rows = csvfile.read(name, data, ("userSourcedId", "uid"), bad)
    return [CardRow(file=name, line=row.line, user=row["userSourcedId"], uid=row["uid"]) for row in rows]


def in_user_ids(file: str, line: int, user: str, text: str, bad: BadRows) -> list[CardRow]:
    """The `{card:…}` entries of a userIds cell, such as `{LDAP:12},{card:04A2B3C4D5E606}`."""
    found = [
        CardRow(file=file, line=line, user=user, uid=value)
        for kind, value in _ENTRY.findall(text)
        if kind.lower() == "card"
    ]
    if "card" in _ENTRY.sub("", text).lower():
        bad.add(file, line, "user-ids", "userIds has a card that is not written {card:UID}")
    return found


def read(rows: list[CardRow], known: Callable[[str], bool], tokens: Tokens, *, complete: bool, bad: BadRows) -> Cards:
    """Rows to tokens. known: whether there is such a user.

    Codes: card-user, card-uid (not hex), card-uid-length, card-uid-random, card-twice.
    """
    wanted: dict[str, list[tuple[Token, ...]]] = {}
    where: dict[tuple[Token, ...], tuple[str, int, str]] = {}
    lines: dict[str, tuple[str, int]] = {}
    holder: dict[tuple[Token, ...], str] = {}
    for row in rows:
        if not known(row.user):
            bad.add(row.file, row.line, "card-user", f"there is no user {quoted(row.user)}")
            continue
        cards = wanted.setdefault(row.user, [])
        lines.setdefault(row.user, (row.file, row.line))
        if not row.uid:
            continue
        try:
            made = tuple(tokens(bytes.fromhex(_BETWEEN.sub("", row.uid))))
        except StoreError as error:
            bad.add(row.file, row.line, error.code, f"{masked(row.uid)}: {error}")
            continue
        except ValueError:
            bad.add(
                row.file, row.line, "card-uid", f"{masked(row.uid)}: a UID is written in hex, such as 04A2B3C4D5E606"
            )
            continue
        if holder.setdefault(made, row.user) != row.user:
            file, line, _ = where[made]
            text = f"{masked(row.uid)} is another person's too ({file}:{line}): a card is one person's"
            bad.add(row.file, row.line, "card-twice", text)
            continue
        where.setdefault(made, (row.file, row.line, masked(row.uid)))
        if made not in cards:
            cards.append(made)
    return Cards(
        wanted={user: tuple(cards) for user, cards in wanted.items()}, complete=complete, where=where, lines=lines
    )
