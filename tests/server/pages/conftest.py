"""A school, its server, and visitors signed in or not."""

import pytest

from tests.server.pages.school import School, Visitor


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
