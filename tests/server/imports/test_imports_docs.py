"""docs/imports.md says what every message means."""

import re

CODE = re.compile(
    r'"((?:import|oneroster|manifest|csv|row|user|class|enrolment|card|timetable|rules|event|ics|time)-[a-z-]+)"'
)
#: texts of this form that are no codes
NOT_CODES = {"card-key"}


def codes_in(text: str) -> set[str]:
    """The error codes that a module uses."""
    return set(CODE.findall(text)) - NOT_CODES


def test_every_code_of_the_imports_is_explained(repo):
    page = (repo / "docs" / "imports.md").read_text()
    used = set().union(*(codes_in(path.read_text()) for path in (repo / "server" / "imports").glob("*.py")))
    assert len(used) > 40
    assert not {code for code in used if f"`{code}`" not in page}


def test_every_code_that_is_explained_is_used(repo):
    page = (repo / "docs" / "imports.md").read_text()
    said = {
        code for line in page.splitlines() if line.startswith("| `") for code in re.findall(r"`([a-z]+-[a-z-]+)`", line)
    }
    sources = [
        *(repo / "server" / "imports").glob("*.py"),
        repo / "server" / "store" / "cards.py",
        repo / "server" / "commands.py",
    ]
    text = "\n".join(path.read_text() for path in sources)
    built = {"user-identifier-twice", "user-username-twice"}
    assert not {code for code in said - built if f'"{code}"' not in text}


def test_a_code_that_nobody_explained_would_be_found():
    assert codes_in('bad.add(name, 3, "row-strange", "…")') == {"row-strange"}
