"""Changes a profile's parameters, one at a time and mechanically."""

from server.policy import sections
from server.policy.moments import WEEKDAYS
from server.scope import ROLES

#: what may stand in a list or in a word's place, by the parameter's unit
KNOWN = {"roles": ROLES, "needs": sections.NEEDS[:2], "weekdays": WEEKDAYS, "effect": sections.EFFECTS,
         "moment": sections.MOMENTS}  # fmt: skip


def values(parameter, profile):
    """The other values to try for a parameter."""
    value = parameter.value
    known = KNOWN.get(parameter.unit, tuple(profile.codes))
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value - 1, value + 1]
    if isinstance(value, str):
        return [one for one in known if one != value]
    others = [one for one in known if one not in value]
    dropped = [[one for one in value if one != gone] for gone in value]
    swapped = [[others[0] if one == gone else one for one in value] for gone in value] if others else []
    # A role that may do little, and a mark that is rare.
    added = [[*value, others[0 if parameter.unit == "roles" else -1]]] if others else []
    return dropped + swapped + added


def put(table, path, value):
    """Set the value of the parameter at a path such as `tiers.24h.until`."""
    *way, last = path.split(".")
    for name in way:
        table = table[name]
    table[last] = table[last] | {"value": value}
