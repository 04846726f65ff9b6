"""Revision 0009: whoever is kept already stands in lists by the letters of their name too."""

from sqlalchemy import select, text

from server.store import institutions, migrations, schema
from server.store.engine import writing
from server.store.upsert import new_id

KEPT = [
    (("Ana Álvarez", "Ana", "Álvarez", "álvarez ana"), "alvarez ana"),
    (("Tomás Ó Briain", "Tomás", "Ó Briain", "ó briain tomás"), "obriain tomas"),
    (("Cem Xing", "Cem", "Xing", "xing cem"), "xing cem"),
    (("Zoë de Wit", None, None, "de wit, zoë"), "de wit zoe"),
    (("erased 5", None, None, "erased 5"), "erased 5"),
    (("–", "", "–", "–"), "–"),
]


def test_people_who_are_kept_already_are_ordered_by_their_letters(engine):
    migrations.upgrade(engine, "0008")
    with writing(engine) as connection:
        here = institutions.ensure(connection, "main", "Europe/London", 1).id
        for (full, given, family, sort), _ in KEPT:
            made = connection.execute(schema.person.insert().values(institution_id=here, created_ms=1))
            connection.execute(
                schema.person_name.insert().values(
                    person_id=new_id(made), institution_id=here, full_name=full, given_name=given, family_name=family,
                    sort_name=sort,
                )
            )  # fmt: skip
    migrations.upgrade(engine)
    name = schema.person_name
    with engine.connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar() >= "0009"
        held = connection.execute(select(name).order_by(name.c.person_id)).all()
    assert [(row.full_name, row.sort_name) for row in held] == [(one[0], sort) for one, sort in KEPT]
