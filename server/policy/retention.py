"""How long each class of data is kept: rules as data, dated and cited, and what a rule may never touch. Pure.

MAY is the whole of what rules can do. What is not in it cannot be emptied or removed by any rule, whoever wrote it:
facts, their identity and MACs, marks and history least of all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from server.errors import BadSetting

DAY_MS = 86_400_000
SHIPPED = Path(__file__).parent / "retention.toml"
#: no table: the folder of letters (server/outbox.py)
OUTBOX = "outbox"
#: registers are looked at again for 30 days, and gateways may bring a record again so long
TOKENS_LEAST = 35
DAYS_MOST = 36_500


@dataclass(frozen=True, kw_only=True)
class May:
    """What a rule may do with one table."""

    empties: frozenset[str] = frozenset()
    removes: bool = False
    #: time columns that it may count from
    after: frozenset[str]
    #: fewer days than this would undo what still works with them
    days_least: int = 1


_TOKENS = frozenset(("key_id", "token", "key2_id", "token2"))
_CAME = frozenset(("received_ms",))
MAY: Mapping[str, May] = {
    "swipe": May(empties=_TOKENS, after=_CAME, days_least=TOKENS_LEAST),
    "check_in": May(empties=_TOKENS | {"witness_key_id", "witness_token", "cell", "fix"}, after=_CAME, days_least=1),
    "kiosk_event": May(
        empties=frozenset(("key_id", "token", "by_key_id", "by_token")), after=_CAME, days_least=TOKENS_LEAST
    ),
    "login": May(removes=True, after=frozenset(("expires_ms",))),
    "sign_in_flow": May(removes=True, after=frozenset(("created_ms",))),
    "mail": May(empties=frozenset(("address",)), after=frozenset(("ended_ms",)), days_least=7),
    "message": May(empties=frozenset(("subject", "text")), after=frozenset(("created_ms",)), days_least=30),
    "import_run": May(empties=frozenset(("summary",)), after=frozenset(("finished_ms",)), days_least=30),
    "import_schedule": May(empties=frozenset(("last_report",)), after=frozenset(("last_ms",)), days_least=7),
    "duty_note": May(empties=frozenset(("note_id",)), after=frozenset(("at_ms",)), days_least=7),
    "evening_act": May(empties=frozenset(("note_id",)), after=frozenset(("at_ms",)), days_least=30),
    "residence_leave": May(
        empties=frozenset(("note_id", "answer_note_id")), after=frozenset(("decided_ms",)), days_least=30
    ),
    "residence_flag": May(empties=frozenset(("note_id",)), after=frozenset(("closed_ms",)), days_least=30),
    # Sooner, the look at everybody would raise again what a person has closed.
    "misuse_flag": May(
        empties=frozenset(("note_id",)), removes=True, after=frozenset(("closed_ms", "last_ms")), days_least=90
    ),
    "misuse_tap": May(removes=True, after=frozenset(("at_ms",)), days_least=90),
    "quarantine": May(empties=frozenset(("content",)), after=frozenset(("last_ms",)), days_least=TOKENS_LEAST),
    # What still goes on, or has not gone out, is not counted from anything: it stays. A door's page of evidence asks for
    # outages as far back as somebody may dispute a day.
    "reader_outage": May(removes=True, after=frozenset(("to_ms",)), days_least=90),
    "fleet_alert": May(removes=True, after=frozenset(("cleared_ms",)), days_least=30),
    "fleet_notice": May(removes=True, after=frozenset(("created_ms",)), days_least=7),
    # Its counter is the time at which it was made.
    "reader_command": May(removes=True, after=frozenset(("counter",)), days_least=30),
    OUTBOX: May(removes=True, after=frozenset(("sent_ms",)), days_least=7),
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One class of data, and how long it is kept."""

    name: str
    says: str
    table: str
    empties: tuple[str, ...]
    removes: bool
    after: str
    days: int
    begins: date
    cites: str


def read(*texts: str) -> list[Rule]:
    """The rules of these TOML files; a later file's rules stand beside an earlier one's of the same name and date, and
    win. Raises BadSetting(`retention-rule`, `retention-forbidden`)."""
    found: dict[tuple[str, date], Rule] = {}
    for text in texts:
        try:
            rows = tomllib.loads(text).get("rule", [])
        except tomllib.TOMLDecodeError as error:
            raise BadSetting("retention-rule", f"the retention rules are no TOML: {error}") from error
        named = {rule.name: rule for rule in found.values()}
        for row in rows:
            rule = _rule(row)
            there = named.get(rule.name)
            if there is not None and (there.table, there.removes) != (rule.table, rule.removes):
                raise BadSetting(
                    "retention-rule", f"{rule.name}: it is about {there.table} already; name yours another"
                )
            found[rule.name, rule.begins] = rule
    return list(found.values())


def load(own: Path) -> list[Rule]:
    """The shipped rules, and an institution's own file over them (an empty path: none). Raises as `read`."""
    texts = [SHIPPED.read_text("utf-8")]
    if own != Path():
        try:
            texts.append(own.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting("retention-rule", f"{own} cannot be read: name the file with the rules") from error
    return read(*texts)


def _rule(row: Mapping[str, Any]) -> Rule:
    name = str(row.get("name", ""))
    known = {"name", "says", "table", "empties", "removes", "after", "days", "from", "cites"}
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name) or set(row) - known:
        raise BadSetting("retention-rule", f"a rule has a name in small letters, and of fields only {sorted(known)}")
    days, begins = row.get("days"), row.get("from")
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= DAYS_MOST:
        raise BadSetting("retention-rule", f"{name}: days is a whole number from 1 to {DAYS_MOST}")
    if not isinstance(begins, date) or isinstance(begins, datetime):
        raise BadSetting("retention-rule", f"{name}: from is a date such as 2026-11-22")
    if not str(row.get("cites", "")).strip():
        raise BadSetting("retention-rule", f"{name}: cites says what the rule rests on")
    rule = Rule(
        name=name,
        says=str(row.get("says", name)),
        table=str(row.get("table", "")),
        empties=tuple(map(str, row.get("empties", ()))),
        removes=row.get("removes", False) is True,
        after=str(row.get("after", "")),
        days=days,
        begins=begins,
        cites=str(row["cites"]),
    )
    check(rule)
    return rule


def check(rule: Rule) -> None:
    """Raises BadSetting(`retention-forbidden`) where a rule would touch what must stay, or too early."""
    may = MAY.get(rule.table)
    if may is None:
        raise _forbidden(rule, f"nothing of {rule.table or 'that table'} goes by a rule: facts, marks and history stay")
    if rule.removes and not may.removes:
        raise _forbidden(rule, f"rows of {rule.table} are not removed: their identity and MAC stay")
    if rule.removes == bool(rule.empties):
        raise BadSetting("retention-rule", f"{rule.name}: it either empties columns or removes rows")
    if wrong := sorted(set(rule.empties) - may.empties):
        raise _forbidden(rule, f"{', '.join(wrong)} of {rule.table} cannot be emptied")
    if rule.after not in may.after:
        raise BadSetting("retention-rule", f"{rule.name}: after is one of {sorted(may.after)}")
    least = TOKENS_LEAST if any("token" in one or "key" in one for one in rule.empties) else may.days_least
    if rule.days < least:
        raise _forbidden(rule, f"{least} days at least: what still works with it would fail")


def _forbidden(rule: Rule, why: str) -> BadSetting:
    return BadSetting("retention-forbidden", f"the retention rule {rule.name or '?'} is refused: {why}")


def in_force(rules: Iterable[Rule], now_ms: int) -> list[Rule]:
    """Of each name the newest rule that has begun, by name. A day begins at midnight UTC."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    found: dict[str, Rule] = {}
    for rule in rules:
        there = found.get(rule.name)
        if rule.begins <= today and (there is None or there.begins <= rule.begins):
            found[rule.name] = rule
    return [found[name] for name in sorted(found)]


def before_ms(rule: Rule, now_ms: int) -> int:
    """What is older than this goes."""
    return now_ms - rule.days * DAY_MS
