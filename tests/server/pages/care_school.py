"""A school with a student, a head and the registry signed in, for the pages around absence."""

from __future__ import annotations

import re
from datetime import timedelta

from server.store import accounts, schema, schema_rights
from server.store.engine import writing
from tests.server.pages.school import HASHER, PASSWORD, School, Visitor


def people(school: School) -> None:
    """Accounts: sam (the first student), sue (the second), hel (head of the course's department), reg (registry)."""
    world = school.world
    department = world.insert(schema_rights.department, source="t", source_id="D", code="D", title="Computing")
    with writing(world.engine) as connection:
        connection.execute(schema.course.update().values(department_id=department))
        for place, person_id in enumerate(school.students):
            connection.execute(
                schema.person_external_id.insert().values(
                    institution_id=world.institution_id, person_id=person_id, source="identifier",
                    external_id=f"up{place}", from_ms=0,
                )
            )  # fmt: skip
    hel, reg = school.person("Hel Head"), school.person("Reg Istry")
    for name, role, person_id in (
        ("sam", "student", school.students[0]),
        ("sue", "student", school.students[1]),
        ("reg", "registry", reg),
        ("hel", "head", hel),
    ):
        with writing(world.engine) as connection:
            school.accounts[name] = accounts.make(
                connection, world.institution_id, login_name=name, shown_name=name.title(), password_hash=HASHER.hash(PASSWORD),
                role=role, person_id=person_id, now_ms=world.now_ms,
            )  # fmt: skip
            if role == "head":
                connection.execute(
                    schema_rights.account_role.update()
                    .where(schema_rights.account_role.c.account_id == school.accounts[name])
                    .values(scope="department", scope_id=department)
                )


def words(text: str) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def marks(school: School, session: int) -> dict[int, str | None]:
    """person -> the mark that holds in a session."""
    return {person: found[0] for (one, person), found in school.world.marks().items() if one == session}


def fill_in(visitor: Visitor, path: str, **values: str | None):
    """Send the form that stands on a page, with the fields that it has, as a browser would; to where it goes."""
    text = visitor.get(path).text
    form = next(
        part
        for part in re.findall(r"<form.*?</form>", text, re.S)
        if 'method="post"' in part and "sign-out" not in part
    )
    return send(visitor, form, **values)


def form_to(text: str, address: str) -> str:
    """The form of a page that goes to this address."""
    forms = re.findall(r"<form.*?</form>", text, re.S)
    return next(part for part in forms if f'action="{address}"' in part)


def send(visitor: Visitor, form: str, **values: str | None):
    """Send a form's HTML: what it holds already, and these values over it. None: a box that is not ticked."""
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, kind = re.search(r'name="([^"]*)"', tag), re.search(r'type="([^"]*)"', tag)
        if (
            name is None
            or (kind and kind[1] == "file")
            or (kind and kind[1] in ("checkbox", "radio") and " checked" not in tag)
        ):
            continue
        value = re.search(r'value="([^"]*)"', tag)
        fields[name[1]] = value[1] if value else ""
    for name, content in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form, re.S):
        fields[name] = content
    names = set(re.findall(r'name="([^"]*)"', form))
    for name, value in values.items():
        assert name.replace("__", "-") in names, f"the form has no field {name}"
        if value is None:
            fields.pop(name.replace("__", "-"), None)
        else:
            fields[name.replace("__", "-")] = value
    action = re.search(r'action="([^"]*)"', form)[1]
    return visitor.post(action, fields)


def day(school: School, days: int) -> str:
    """A local day from now, ISO."""
    from datetime import datetime

    from tests.server.pages.school import LONDON

    return (datetime.fromtimestamp(school.now_ms / 1000, LONDON) + timedelta(days=days)).date().isoformat()
