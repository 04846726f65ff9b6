"""A registrar's office with an empty store: `office` on SQLite, `each_office` on both databases."""

import pytest

from tests.server.imports.imports_world import Office


@pytest.fixture
def office(new_sqlite, tmp_path):
    made = Office(new_sqlite(), tmp_path)
    yield made
    made.close()


@pytest.fixture
def each_office(database_url, tmp_path):
    made = Office(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def college(office):
    """The office with the small college and its cards imported."""
    office.roster(cards=["userSourcedId,uid", "s1,04A1B2C3D4E501", "s2,04A1B2C3D4E502", "s3,B0A1C203"])
    return office
