"""Which classes and rooms an event is for, by the rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from server.imports.occurrences import Occurrence
from server.imports.rules import Rules, plain

#: shorter codes would be found in any text: they count only where they stand alone
SHORTEST_INSIDE = 3
LONGEST_ROOM = 64
_WORD = re.compile(r"\w+")


class Codes:
    """Known class codes, found alone or inside a text, whatever their case and blanks."""

    def __init__(self, codes: Iterable[str]) -> None:
        self._plain = {plain(code): code for code in codes}
        self._by_word: dict[str, list[str]] = {}
        for code in self._plain:
            word = _WORD.match(code)
            if word and len(code) >= SHORTEST_INSIDE:
                self._by_word.setdefault(word[0], []).append(code)
        for found in self._by_word.values():
            found.sort(key=len, reverse=True)

    def alone(self, text: str) -> str | None:
        """The code that this text is."""
        return self._plain.get(plain(text))

    def inside(self, text: str) -> list[str]:
        """The codes that stand in this text as words of their own; the longest where one is within another."""
        where, found, after = plain(text), [], 0
        for word in _WORD.finditer(where):
            at = word.start()
            if at < after or re.search(r"\w[-./]$", where[max(0, at - 2) : at]):
                continue
            for code in self._by_word.get(word[0], ()):
                end = at + len(code)
                if where.startswith(code, at) and not re.match(r"\w|[-./]\w", where[end : end + 2]):
                    found.append(self._plain[code])
                    after = end
                    break
        return list(dict.fromkeys(found))


def classes(event: Occurrence, rules: Rules, codes: Codes) -> list[str]:
    """The codes of the event's classes; empty where none is known. The first field that names any decides."""
    for name in rules.class_fields:
        found: list[str] = []
        for text in event.field(name):
            for line in text.splitlines() or [text]:
                found += _named(line, rules.class_pattern, rules.class_names, codes)
        if found:
            return list(dict.fromkeys(found))
    return []


def _named(text: str, pattern: re.Pattern[str] | None, names: Mapping[str, tuple[str, ...]], codes: Codes) -> list[str]:
    if (said := names.get(plain(text))) is not None:
        return [code for name in said if (code := codes.alone(name))]
    if pattern is not None:
        parts = [match[1] if pattern.groups else match[0] for match in pattern.finditer(text)]
        found = []
        for part in filter(None, parts):
            if (said := names.get(plain(part))) is not None:
                found += [code for name in said if (code := codes.alone(name))]
            elif code := codes.alone(part):
                found.append(code)
        return found
    alone = codes.alone(text)
    return [alone] if alone else codes.inside(text)


def rooms(event: Occurrence, rules: Rules) -> list[str]:
    """The codes of the event's rooms; several where separators stand between them, empty where no room is named."""
    found: list[str] = []
    for name in rules.room_fields:
        for text in event.field(name):
            # An address below the room's name is no second room.
            line = next((" ".join(one.split()) for one in text.splitlines() if one.strip()), "")
            if (said := rules.room_names.get(plain(line))) is not None:
                found += said
                continue
            if rules.room_pattern is not None:
                pattern = rules.room_pattern
                parts = [match[1] if pattern.groups else match[0] for match in pattern.finditer(line)]
            elif rules.room_separators:
                parts = re.split(f"[{re.escape(rules.room_separators)}]", line)
            else:
                parts = [line]
            for part in (" ".join(one.split()) for one in parts if one and one.strip()):
                found += rules.room_names.get(plain(part), (part,))
    unique: dict[str, str] = {}
    for code in found:
        unique.setdefault(plain(code), code)
    return list(unique.values())


def ignored(event: Occurrence, rules: Rules) -> bool:
    """Whether a rule says that the event is no session."""
    texts = [event.summary, event.description, event.location, *event.categories]
    return any(pattern.search(text) for pattern in rules.ignore for text in texts)
