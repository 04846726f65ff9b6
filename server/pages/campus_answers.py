"""What was filled in on a form of the registry's, read field by field, with what is wrong with each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import time, timedelta

from server.pages.local import Local, parse_day

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Answers:
    """What was filled in, with what is wrong with it by field."""

    def __init__(self, sent: Mapping[str, str], local: Local) -> None:
        self._sent, self._local = sent, local
        self.problems: dict[str, str] = {}

    def wrong(self, name: str, text: str) -> None:
        """Say what is wrong with a field; the first word counts."""
        self.problems.setdefault(name, text)

    def text(self, name: str, what: str, *, needed: bool = False, longest: int = 200) -> str:
        """A line of text, blanks tidied."""
        found = " ".join(self._sent.get(name, "").split())
        if needed and not found:
            self.wrong(name, f"Fill in {what}.")
        elif len(found) > longest:
            self.wrong(name, f"At most {longest} characters: shorten it.")
        return found

    def mail(self, name: str) -> str:
        """An e-mail address, or ''."""
        found = self.text(name, "the address", longest=254)
        if found and not _MAIL.fullmatch(found):
            self.wrong(name, "This is no e-mail address, such as name@example.org: correct it, or leave it empty.")
        return found

    def link(self, name: str) -> str:
        """A web address, or ''."""
        found = self.text(name, "the address", longest=500)
        if found and not re.fullmatch(r"https?://[^\s/]+\.?[^\s]*", found):
            self.wrong(name, "A web address begins with https:// – correct it, or leave it empty.")
        return found

    def chosen(self, name: str, options: Iterable[tuple[str, str]]) -> str:
        """One of the options' values."""
        found = self._sent.get(name, "")
        if found not in {value for value, _ in options}:
            self.wrong(name, "Choose one of the list.")
            return ""
        return found

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number."""
        found = self._sent.get(name, "").strip()
        if not (found.isascii() and found.isdigit() and len(found) <= 9 and least <= int(found) <= most):
            self.wrong(name, f"A whole number from {least} to {most}.")
            return least
        return int(found)

    def checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self._sent.get(name, "") == "yes"

    def day_ms(self, name: str, *, after: bool = False) -> int:
        """Epoch ms at which a local day begins; after: at which the next one does."""
        day = parse_day(self._sent.get(name, "").strip())
        if day is None:
            self.wrong(name, "Fill in a day, such as 2026-11-22.")
            return 0
        return self._local.bounds(day)[1 if after else 0]

    def at_ms(self, day_name: str, name: str, *, days: int = 0) -> int:
        """Epoch ms of a local time, of two fields; days: so many days after the one named."""
        day = parse_day(self._sent.get(day_name, "").strip())
        if day is not None:
            day = parse_day((day + timedelta(days=days)).isoformat())
        if day is None:
            self.wrong(day_name, "Fill in a day, such as 2026-11-22.")
        try:
            clock = time.fromisoformat(self._sent.get(name, "").strip()[:5])
        except ValueError:
            self.wrong(name, "Fill in a time, such as 09:30.")
            return 0
        at_ms = None if day is None else self._local.ms(day, clock)
        if day is not None and at_ms is None:
            self.wrong(name, "The clocks go forward on this day, and leave this time out: choose another.")
        return at_ms or 0

    def listed(self, name: str, known: Mapping[str, int], what: str) -> frozenset[int]:
        """Ids of what is named, one a line or with semicolons between; case does not matter."""
        plain = {key.casefold(): value for key, value in known.items()}
        wanted = [part.strip() for part in re.split(r"[\n;]", self._sent.get(name, "")) if part.strip()]
        unknown = [part for part in wanted if part.casefold() not in plain]
        if unknown:
            self.wrong(name, f"There is no {what} {', '.join(repr(one) for one in unknown[:3])}: correct it.")
        return frozenset(plain[part.casefold()] for part in wanted if part.casefold() in plain)
