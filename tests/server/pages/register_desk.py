"""What a visitor at a register sends, and what is read of it."""

import re

from tests.server.pages.school import School, Visitor


def plain(text: str) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def send(visitor: Visitor, path: str, **fields: str):
    """Send a form with the login's own token."""
    return visitor.post(path, {"csrf": visitor.csrf("/today")} | fields)


def rows(school: School, table):
    """All rows of a table."""
    return school.world.all(table)
