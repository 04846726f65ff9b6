"""A school, its server, and visitors signed in or not; a school of two departments; a home."""

import shutil

import pytest

from tests.server.pages.home import Home
from tests.server.pages.school import School, Visitor
from tests.server.pages.two_departments import TwoDepartments, signed_in


@pytest.fixture
def school(tmp_path):
    made = School(tmp_path)
    yield made
    made.close()


@pytest.fixture
def app(school):
    return school.app()


@pytest.fixture
def anonymous(app):
    return Visitor(app)


@pytest.fixture
def signed(app):
    """`signed("ada")`: somebody's browser."""

    def enter(name: str) -> Visitor:
        visitor = Visitor(app)
        answer = visitor.sign_in(name)
        assert answer.status_code == 303, answer.text
        return visitor

    return enter


@pytest.fixture
def there(tmp_path, database_url):
    """Two departments, on either database."""
    made = TwoDepartments(tmp_path, url=database_url)
    yield made
    made.close()


@pytest.fixture
def enter(there):
    """`enter("rex")`: somebody's browser, of those two departments."""
    app = there.app()
    return lambda name: signed_in(app, name)


@pytest.fixture
def home(tmp_path, empty_sqlite):
    """Two houses with their kiosks, residents and staff."""
    shutil.copy(empty_sqlite, tmp_path / "muster.db")
    made = Home(tmp_path)
    yield made
    made.close()
