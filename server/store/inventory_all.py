"""The whole inventory, by table; and as Markdown for docs/privacy.md."""

from __future__ import annotations

from collections.abc import Mapping

from server.store.inventory import ID, NOBODY, TIME, VALUE, Kept
from server.store.inventory_cards import CARDS_
from server.store.inventory_groups import GROUPS
from server.store.inventory_misuse import MISUSE_
from server.store.inventory_people import PEOPLE
from server.store.inventory_registers import REGISTERS_
from server.store.inventory_releases import RELEASES_
from server.store.inventory_residence import RESIDENCE_

#: table's name -> its line
EVERY: Mapping[str, Kept] = {
    one.table.name: one for one in (*PEOPLE, *REGISTERS_, *RESIDENCE_, *MISUSE_, *CARDS_, *RELEASES_)
}


def of_group(group: str) -> list[Kept]:
    """The lines with this purpose, those about somebody first."""
    return sorted((one for one in EVERY.values() if one.group == group), key=lambda one: one.whose == NOBODY)


def as_markdown() -> str:
    """Every table and its columns as one table of docs/privacy.md."""
    lines = ["| table | whose | what | purpose | columns beside numbers, times and counts |", "|---|---|---|---|---|"]
    for group, about in GROUPS.items():
        for one in of_group(group):
            classes = {name: one.column_class(name) for name in one.table.c.keys()}  # noqa: SIM118  columns, not names, are what it iterates
            told = ", ".join(f"{name} ({what})" for name, what in classes.items() if what not in (ID, TIME, VALUE))
            lines.append(f"| `{one.table.name}` | {one.whose} | {one.holds} | {about.title} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
