"""What holds of the rules whatever the facts are."""

from dataclasses import replace
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from server.policy import allowed, cancellation, days, deadlines, leave, marking, percentages, profile, requests, tiers
from server.scope import ROLES
from tests.rules import rule

PROFILES = profile.read_all()
LOUGH, DDU, STEP = PROFILES["lough"], PROFILES["ddu"], PROFILES["step"]
HOUR, DAY = 3_600_000, 86_400_000
#: 2026-01-01 to 2030: summer times, leap day and short months among them
MOMENTS = st.integers(1_767_225_600_000, 1_893_456_000_000)
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/London", "Asia/Kolkata", "Asia/Singapore", "America/St_Johns")]
)
NAMES = st.sampled_from(sorted(PROFILES))


@st.composite
def facts(draw):
    """Anybody, at any time, with anything in their hands."""
    ends_ms = draw(MOMENTS)
    deadline = draw(st.none() | st.integers(0, 60 * DAY))
    return allowed.Facts(
        roles=draw(st.frozensets(st.sampled_from(ROLES))),
        staffs=draw(st.booleans()),
        starts_ms=ends_ms - draw(st.integers(1, 9)) * HOUR,
        ends_ms=ends_ms,
        now_ms=ends_ms + draw(st.integers(-12 * HOUR, 60 * DAY)),
        zone=draw(ZONES),
        current=draw(st.sampled_from([None, "P", "A", "R"])),
        cancelled=draw(st.booleans()),
        students_set=draw(st.integers(1, 20)),
        students_all=20,
        marking_deadline_ms=None if deadline is None else ends_ms + deadline,
        lock_ms=None if deadline is None else ends_ms + deadline + 2 * DAY,
        reported_ms=draw(st.none() | st.integers(-DAY, DAY).map(lambda apart: ends_ms + apart)),
        has_reason=draw(st.booleans()),
        has_evidence=draw(st.booleans()),
        trip_confirmed=draw(st.booleans()),
        approvals=draw(st.frozensets(st.sampled_from(ROLES))),
    )


@given(NAMES, facts(), st.data())
def test_an_act_is_allowed_or_may_be_asked_for_and_never_both_and_a_refusal_says_what_to_do(name, about, data):
    code = data.draw(st.sampled_from([*PROFILES[name].codes, None]))
    answer = allowed.may_set(PROFILES[name], code, about)
    assert not (answer.allowed and answer.by_request)
    assert answer.allowed or answer.text
    assert answer.rule.startswith(f"{name}.")


@rule("STEP-19")
@given(NAMES, facts(), st.data())
def test_whoever_is_no_staff_of_registers_never_changes_one(name, about, data):
    code = data.draw(st.sampled_from([*PROFILES[name].codes, None]))
    roles = about.roles & {"student", "technician", "residence", "auditor", "finance"}
    # Cancelling has its own question; what it then writes is no person's choice.
    answer = allowed.may_set(PROFILES[name], code, replace(about, roles=roles, cancelled=False))
    assert not answer.allowed and not answer.by_request
    assert not cancellation.may_cancel(PROFILES[name], replace(about, roles=roles)).allowed


@rule("STEP-1", "LOUGH-9")
@given(NAMES, facts(), st.data())
def test_a_lecturer_who_does_not_deliver_the_class_changes_nothing_in_it(name, about, data):
    code = data.draw(st.sampled_from([*PROFILES[name].codes, None]))
    stranger = replace(about, roles=frozenset({"lecturer"}), staffs=False, cancelled=False)
    answer = allowed.may_set(PROFILES[name], code, stranger)
    assert not answer.allowed and not answer.by_request


@rule("STEP-3")
@given(facts(), st.data())
def test_from_the_lock_date_on_nothing_is_set_or_asked_for(about, data):
    assume(about.lock_ms is not None and not about.cancelled)
    assert about.lock_ms is not None
    code = data.draw(st.sampled_from([*STEP.codes, None]))
    late = replace(about, now_ms=max(about.now_ms, about.lock_ms))
    answer = allowed.may_set(STEP, code, late)
    assert not answer.allowed and not answer.by_request
    assert not requests.may_ask(STEP, {1: (code, late)}).allowed
    assert not cancellation.may_cancel(STEP, late).allowed


@rule("LOUGH-B", "LOUGH-D", "LOUGH-H", "LOUGH-U", "LOUGH-V", "LOUGH-11")
@given(facts())
def test_the_marks_that_are_not_everybodys_stay_theirs(about):
    for code in "BDHUV":
        if not allowed.may_set(LOUGH, code, about).allowed:
            continue
        if code == "D":
            assert about.cancelled and about.students_set == about.students_all
        else:
            assert not about.cancelled
        assert code != "B" or "head" in about.roles
        assert code != "U" or ("registry" in about.roles and "curriculum" in about.approvals)
        assert code != "H" or about.students_set < about.students_all
        assert code != "V" or about.trip_confirmed


@rule("LOUGH-21", "LOUGH-22")
@given(facts())
def test_r_is_set_only_as_one_of_the_two_transitions_while_they_are_open(about):
    about = replace(about, cancelled=False)
    if allowed.may_set(LOUGH, "R", about).allowed and about.current != "R":
        told = about.reported_ms is not None and about.reported_ms < about.starts_ms
        assert told or (about.current == "A" and about.has_reason and about.has_evidence and "lecturer" in about.acting)


@rule("LOUGH-31", "LOUGH-32", "LOUGH-33", "LOUGH-34", "STEP-2")
@given(NAMES, MOMENTS, ZONES, st.lists(st.integers(-DAY, 60 * DAY), min_size=2))
def test_the_older_a_class_the_later_its_tier(name, ends_ms, zone, ages):
    made = PROFILES[name]
    order = [one.name for one in made.tiers]
    found = [
        tiers.tier(
            made,
            ends_ms=ends_ms,
            now_ms=ends_ms + age,
            zone=zone,
            marking_deadline_ms=ends_ms + 5 * DAY,
            lock_ms=ends_ms + 9 * DAY,
        )
        for age in sorted(ages)
    ]
    places = [order.index(one.name) for one in found]
    assert places == sorted(places)
    assert all(
        one.until_ms is None or ends_ms + age < one.until_ms for one, age in zip(found, sorted(ages), strict=True)
    )


@rule("LOUGH-35")
@given(MOMENTS, ZONES, st.integers(0, 60 * DAY))
def test_bursary_alone_is_granted_exactly_when_the_last_tier_holds(ends_ms, zone, age):
    about = {"ends_ms": ends_ms, "now_ms": ends_ms + age, "zone": zone}
    last = tiers.tier(LOUGH, **about).name == LOUGH.tiers[-1].name
    assert (tiers.bursary(LOUGH, **about) is not None) == last


def rows(codes):
    return [percentages.Counted(key=number, code=code, verified=True) for number, code in enumerate(codes)]


CODES = st.lists(st.sampled_from([*LOUGH.codes, None]), max_size=60)


@given(CODES, st.sampled_from(["attendance", "bursary"]), st.randoms())
def test_a_percentage_is_the_sum_of_its_rows_in_any_order(codes, ledger, random):
    found = percentages.percentage(LOUGH, ledger, rows(codes))
    assert sum((row.attended for row in found.rows), Fraction(0)) == found.attended <= found.counted
    assert found.fraction == (found.attended / found.counted if found.counted else None)
    assert [row.code for row in found.rows] == codes and all(row.why for row in found.rows)
    mixed = list(codes)
    random.shuffle(mixed)
    assert percentages.percentage(LOUGH, ledger, rows(mixed)).fraction == found.fraction


@rule("LOUGH-36")
@given(CODES)
def test_discounted_is_as_if_reported_absences_were_not_there_and_counted_as_if_they_were_attended(codes):
    found, other = percentages.percentage(LOUGH, "bursary", rows(codes)), percentages.otherwise(LOUGH, rows(codes))
    assert found.fraction == percentages.percentage(LOUGH, "bursary", rows([c for c in codes if c != "R"])).fraction
    assert (
        other.fraction
        == percentages.percentage(LOUGH, "bursary", rows(["P" if code == "R" else code for code in codes])).fraction
    )


@rule("LOUGH-36", "DDU-1")
@given(st.integers(0, 4000), st.integers(0, 4000))
def test_a_threshold_is_reached_exactly_on_it_and_what_is_shown_never_says_otherwise(present, absent):
    for made, ledger in ((LOUGH, "bursary"), (DDU, "attendance")):
        found = percentages._counted(made, made.ledger_rules[ledger], rows([]))
        assert found.reached is None
        whole, threshold = present + absent, made.ledger_rules[ledger].threshold
        assert threshold is not None
        if not whole:
            continue
        shown = replace(found, attended=Fraction(present), counted=Fraction(whole), fraction=Fraction(present, whole))
        assert shown.reached == (100 * present >= threshold * whole)
        assert shown.reached == (float(shown.text.split()[0]) >= threshold)


@rule("DDU-2", "DDU-3", "DDU-4")
@given(
    st.sampled_from(["one", "double"]),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 6),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 6),
)
def test_missing_more_is_never_kinder(kind, late, early, used, more_late, more_early, more_used):
    def worth(late_min, early_min, occasions):
        shift = days.Shift(kind=kind, late_min=late_min, early_min=early_min, occasions=occasions)
        return ["A", "H", "P"].index(days.judge(DDU, shift).decision.code or "")

    assert worth(late + more_late, early + more_early, used + more_used) <= worth(late, early, used)


@given(st.sampled_from(["lough", "ddu"]), st.integers(-40, 480), st.integers(0, 3600))
def test_an_unsure_clock_never_makes_a_mark_harsher_than_its_kindest_reading(name, at_min, uncertainty_s):
    made = PROFILES[name]
    order = ["A", "H", "L", "P"]

    def code(at_ms, unsure_ms=0):
        found = marking.from_tap(made, starts_ms=0, ends_ms=8 * HOUR, at_ms=at_ms, uncertainty_ms=unsure_ms)
        return order.index(found.code or "")

    at_ms, unsure_ms = at_min * 60_000, uncertainty_s * 1000
    sure = {code(at_ms - unsure_ms), code(at_ms + unsure_ms)}
    if len(sure) == 2:
        assert code(at_ms, unsure_ms) == max(sure)


@given(st.integers(20, 400), st.integers(0, 3600))
def test_of_an_unsure_clock_only_the_minutes_surely_missed_count(at_min, uncertainty_s):
    at_ms, unsure_ms = at_min * 60_000, uncertainty_s * 1000
    found = marking.from_tap(PROFILES["lough"], starts_ms=0, at_ms=at_ms, uncertainty_ms=unsure_ms)
    if found.late_min is not None:
        assert (at_ms - unsure_ms) // 60_000 <= found.late_min <= at_min
        assert unsure_ms <= 30_000 or found.late_min * 60_000 <= at_ms - unsure_ms


@rule("STEP-23", "LOUGH-22", "PORT-13")
@given(NAMES, st.data())
def test_an_absence_never_takes_away_a_mark_of_somebody_who_was_there(name, data):
    made = PROFILES[name]
    current = data.draw(st.sampled_from([*made.codes, None]))
    absence = leave.Absence(
        kind=data.draw(st.sampled_from(["reported", "authorised", "leave"])),
        state=data.draw(st.sampled_from(["open", "approved", "rejected", "withdrawn"])),
        from_ms=0,
        to_ms=data.draw(st.integers(1, 10 * DAY)),
        reported_ms=data.draw(st.integers(-DAY, 10 * DAY)),
        decided_ms=data.draw(st.none() | st.integers(0, 10 * DAY)),
        has_evidence=data.draw(st.booleans()),
    )
    starts_ms = data.draw(st.integers(-DAY, 10 * DAY))
    session = leave.Session(
        id=1, starts_ms=starts_ms, ends_ms=starts_ms + HOUR, zone=ZoneInfo("Europe/London"), cancelled=False,
        current=current,
    )  # fmt: skip
    found = leave.fills(made, absence, session)
    if found is not None:
        assert current in (None, made.absent) and absence.state == "approved"
        assert found.code == made.absences[absence.kind].code


@rule("LOUGH-1", "LOUGH-2", "LOUGH-3", "LOUGH-4", "LOUGH-8", "DDU-5")
@given(NAMES, MOMENTS, ZONES, st.sampled_from(["classroom", "school-link", "off-site", "paper", "online"]), st.data())
def test_deadlines_come_in_order_and_a_register_only_ever_gets_later(name, starts_ms, zone, mode, data):
    about = {"starts_ms": starts_ms, "ends_ms": starts_ms + HOUR, "mode": mode, "zone": zone}
    due = deadlines.marking(PROFILES[name], course_deadline_ms=starts_ms + 9 * DAY, **about)
    if due.breach_ms is None or due.warn_ms is None:
        assert name == "port"
        return
    # On the day that is 25 hours long the end of the day may come after 24 hours have passed.
    assert starts_ms < due.warn_ms <= due.breach_ms + HOUR
    order = ["open", "warned", "overdue", "unmarked"]
    moments = sorted(data.draw(st.lists(st.integers(starts_ms, starts_ms + 20 * DAY), min_size=2)))
    places = [
        order.index(
            deadlines.state(
                PROFILES[name], now_ms=now, marked_ms=None, course_deadline_ms=starts_ms + 9 * DAY, **about
            ).name
        )
        for now in moments
    ]
    assert places == sorted(places)


@rule("DDU-3", "DDU-7")
@given(MOMENTS, st.integers(0, 200 * DAY), ZONES)
def test_a_fortnight_of_a_batch_ends_within_15_days_and_at_midnight(begins_ms, apart, zone):
    at_ms = begins_ms + apart
    ends_ms = tiers.fortnight_ends(DDU, at_ms=at_ms, batch_starts_ms=begins_ms, zone=zone)
    assert at_ms < ends_ms <= at_ms + 15 * DAY + HOUR
