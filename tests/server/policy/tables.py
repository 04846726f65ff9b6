"""Runs the tables of cases that a registrar can read: cases/*.toml, a file for each question that is asked of a rule.

A case has a name, the rules that it shows, the profile (or several), what is given, and then what must be answered: only
what stands under `then` is compared. Where nothing else is said the session is Mon 2026-10-12, 09:00 to 10:00 in London,
and `now` its end. A time is local: `Mon 2026-10-12 09:05`, with the weekday checked. `""` is nothing.
"""

import tomllib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tests.server.policy.evening_sums import EVENINGS
from tests.server.policy.given import Given
from tests.server.policy.misuse_sums import MISUSE
from tests.server.policy.questions import QUESTIONS
from tests.server.policy.sums import SUMS

FOLDER = Path(__file__).parent / "cases"
SUBJECTS = QUESTIONS | SUMS | EVENINGS | MISUSE


@dataclass(frozen=True, kw_only=True)
class Case:
    file: str
    subject: str
    name: str
    rules: tuple[str, ...]
    profile: str
    given: dict
    then: dict

    def __str__(self):
        return f"{self.file}: {self.profile}: {self.name}"


def read(folder=FOLDER):
    """Every case of every file, one for each profile that it names."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        table = tomllib.loads(path.read_text("utf-8"))
        for case in table["case"]:
            profiles = case["profile"] if isinstance(case["profile"], list) else [case["profile"]]
            assert set(case) <= {"name", "rules", "profile", "given", "then"}, (path.name, case)
            found += [
                Case(
                    file=path.stem,
                    subject=table["subject"],
                    name=case["name"],
                    rules=tuple(case["rules"]),
                    profile=profile,
                    given=case.get("given", {}),
                    then=case["then"],
                )
                for profile in profiles
            ]
    return found


def wrong(case, profile):
    """What a case's answer is where it is not what it must be; None: all is as it must be."""
    given = Given(case.given)
    answer = SUBJECTS[case.subject](profile, given)
    given.done()
    unknown = set(case.then) - set(answer)
    assert not unknown, f"{case}: nothing answers {unknown}"
    found = {key: _plain(answer[key]) for key in case.then}
    return None if found == case.then else f"{case}: is {found}, must be {case.then}"


def _plain(value):
    if value is None:
        return ""
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Fraction):
        return str(value)
    return value
