"""Every case of every table is as its table says; and every parameter of every profile matters to a case of its rule."""

import tomllib
from copy import deepcopy

import pytest

from server.errors import BadSetting
from server.policy import profile
from tests.server.policy import mutants, tables

PROFILES = profile.read_all()
CASES = tables.read()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_is_as_its_table_says(case):
    assert tables.wrong(case, PROFILES[case.profile]) is None


def raw(name):
    """A shipped profile's own table, and its parameters."""
    table = tomllib.loads((profile.FOLDER / f"{name}.toml").read_text("utf-8"))
    del table["name"]
    return table, PROFILES[name].parameters


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_parameter_matters_to_a_case_of_its_rule(name):
    """Each parameter is changed once in each way: a number by one, a switch flipped, a list without each of its
    elements and with another in its place, a word for another. A case of the rule that it cites must fail then."""
    table, parameters = raw(name)
    idle = []
    for parameter in parameters:
        mine = [case for case in CASES if case.profile == name and parameter.rule in case.rules]
        for changed in mutants.values(parameter, PROFILES[name]):
            other = deepcopy(table)
            mutants.put(other, parameter.path, changed)
            try:
                made = profile.build(f"{name}.toml", other, name=name)
            except BadSetting:
                continue  # such a profile is refused when the server starts
            if not any(fails(case, made) for case in mine):
                idle.append(f"{parameter.path} = {changed!r}, {parameter.rule} ({len(mine)} cases)")
    assert not idle, f"{len(idle)} changes that no case of the rule notices:\n" + "\n".join(idle)


def fails(case, made):
    """Whether a case fails with this profile; also where the rule cannot answer any more."""
    try:
        return tables.wrong(case, made) is not None
    except (AssertionError, KeyError, ValueError):
        return True


def test_a_change_that_no_case_notices_is_found():
    """The test above would say nothing were its changes not made: nothing notices this one, since no case is asked."""
    table, parameters = raw("port")
    one = next(parameter for parameter in parameters if parameter.path == "window.opens_before")
    other = deepcopy(table)
    mutants.put(other, one.path, PROFILES["port"].opens_before_min + 1)
    made = profile.build("port.toml", other, name="port")
    assert made.opens_before_min == PROFILES["port"].opens_before_min + 1
    assert any(fails(case, made) for case in CASES if case.profile == "port" and "PORT-2" in case.rules)
