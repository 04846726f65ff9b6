"""Rules about how long things are kept: dated, cited, and never able to touch what must stay."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import BadSetting
from server.policy import retention
from tests.rules import rule

DAY = retention.DAY_MS
#: 2026-11-22 00:00 UTC
NOW = 1_795_305_600_000


def toml(**values) -> str:
    wanted = {
        "name": '"own"', "table": '"check_in"', "empties": '["cell"]', "after": '"received_ms"', "days": 30,
        "from": "2026-01-01", "cites": '"the board, 3 May"',
    } | values  # fmt: skip
    return "[[rule]]\n" + "\n".join(f"{name} = {value}" for name, value in wanted.items() if value is not None)


@rule("DDU-12")
def test_the_shipped_rules_are_cited_and_cover_what_the_page_names():
    from server.store.inventory_groups import GROUPS

    rules = retention.load(retention.Path())
    said = " ".join(one.keep for one in GROUPS.values())
    assert all(one.cites and one.says for one in rules)
    assert {one.name for one in rules if one.name not in said} == {"kiosk-tokens"}, "the page names each but this"


@pytest.mark.parametrize(
    "values",
    [
        {"table": '"record"', "empties": None, "removes": "true"},
        {"table": '"record"', "empties": '["mac"]'},
        {"table": '"record"', "empties": '["text"]'},
        {"table": '"swipe"', "empties": None, "removes": "true", "days": 4000},
        {"table": '"swipe"', "empties": '["seq"]', "days": 4000},
        {"table": '"check_in"', "empties": '["journal_id"]'},
        {"table": '"check_in"', "empties": '["cell", "seq"]'},
        {"table": '"mark"', "empties": None, "removes": "true", "after": '"created_ms"'},
        {"table": '"history"', "empties": '["body"]', "after": '"at_ms"'},
        {"table": '"audit"', "empties": None, "removes": "true", "after": '"at_ms"'},
        {"table": '"consent"', "empties": '["text_digest"]', "after": '"given_ms"'},
        {"table": '"no_such_table"'},
        {"table": '"quarantine"', "empties": None, "removes": "true", "after": '"last_ms"', "days": 4000},
        {"table": '"quarantine"', "empties": '["digest"]', "after": '"last_ms"', "days": 4000},
        {"table": '"evening_act"', "empties": '["reason"]', "after": '"at_ms"', "days": 4000},
        {"table": '"swipe"', "empties": '["token"]', "days": 34},
        {"empties": '["witness_token"]', "days": 10},
    ],
)
def test_a_rule_that_would_take_identity_mac_or_proof_is_refused(values):
    with pytest.raises(BadSetting) as refused:
        retention.read(toml(**values))
    assert refused.value.code == "retention-forbidden"


@pytest.mark.parametrize(
    "values",
    [
        {"cites": '" "'}, {"days": 0}, {"days": '"30"'}, {"from": '"soon"'}, {"after": '"wall_ms"'}, {"name": '"A b"'},
        {"table": '"login"', "removes": "true"}, {"empties": None}, {"colour": 1}, {"days": "true"},
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_is_said(values):
    with pytest.raises(BadSetting) as refused:
        retention.read(toml(**values))
    assert refused.value.code == "retention-rule"


def test_an_institutions_own_value_holds_from_its_date_and_the_shipped_one_until_then(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(toml(name='"check-in-cells"', days=7, **{"from": "2026-12-01"}))
    rules = retention.load(own)
    days = [
        {one.name: one.days for one in retention.in_force(rules, NOW + n * DAY)}["check-in-cells"] for n in (0, 8, 9)
    ]
    assert days == [30, 30, 7]
    same_day = retention.read(retention.SHIPPED.read_text(), toml(name='"logins"', table='"login"', empties=None,
                              removes="true", after='"expires_ms"', days=5, **{"from": "2026-11-22"}))  # fmt: skip
    assert {one.name: one.days for one in retention.in_force(same_day, NOW)}["logins"] == 5
    with pytest.raises(BadSetting, match="name yours another"):
        retention.read(retention.SHIPPED.read_text(), toml(name='"logins"'))


def test_a_rule_whose_date_has_not_come_does_nothing():
    assert retention.in_force(retention.load(retention.Path()), NOW - DAY) == []


@given(days=st.integers(1, 4000), ago_ms=st.integers(0, 5000 * DAY))
def test_what_goes_is_older_than_the_rules_days(days, ago_ms):
    one = retention.Rule(
        name="x", says="x", table="login", empties=(), removes=True, after="expires_ms", days=days,
        begins=date(2026, 1, 1), cites="x",
    )  # fmt: skip
    assert (NOW - ago_ms < retention.before_ms(one, NOW)) == (ago_ms > days * DAY)
