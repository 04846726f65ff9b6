"""People's names: what lists are ordered by, what a search compares, and a full name taken apart.

An order by letters alone is the same in every database, whatever it thinks of accents, spaces and hyphens: Álvarez
stands beside Alvarez, and Ó Briain among O'Brien and OBrien, not behind Z.
"""

from __future__ import annotations

import unicodedata

#: letters that are no plain letter with an accent: how an English list files them
_FILED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "n"}
)
#: Unicode's blocks of signs beside a letter (an apostrophe's too) and of accents on it
_ACCENTS = range(0x02B0, 0x0370)
#: words that belong to the family name after them, as `plain` writes them
_PARTICLES = frozenset(
    "o ua ni nic ui mac mc mag de da das do dos di del della der den des du la le les van von vom zu zur ten ter "
    "bin bint ibn ben al el af av san st".split()
)


def plain(text: str) -> str:
    """The letters and digits of a name alone: folded, without accents, spaces and signs. The same again is the same."""
    folded = unicodedata.normalize("NFKD", text).casefold().translate(_FILED)
    kept = [one for one in unicodedata.normalize("NFKD", folded) if ord(one) not in _ACCENTS]
    # Marks stay: in other scripts they are vowels.
    return unicodedata.normalize("NFKD", "".join(one for one in kept if unicodedata.category(one)[0] in "LMN"))


def sort_name(family: str, given: str) -> str:
    """What lists are ordered by: the family name's letters, then the given names'. Of signs alone: they themselves."""
    return f"{plain(family)} {plain(given)}".strip() or f"{family} {given}".strip().casefold()


def words(text: str) -> list[str]:
    """The words of a search, to be looked for in `sort_name`; an O alone is one with the name after it (Ó Briain)."""
    found: list[str] = []
    for word in filter(None, map(plain, text.split())):
        if found and found[-1] == "o":
            found[-1] += word
        else:
            found.append(word)
    return found


def apart(full: str) -> tuple[str, str]:
    """A full name as given names and family name: the last word with what belongs to it. One word is a family name."""
    parts = full.split()
    at = max(len(parts) - 1, 0)
    while at > 1 and plain(parts[at - 1]) in _PARTICLES:
        at -= 1
    return " ".join(parts[:at]), " ".join(parts[at:])
