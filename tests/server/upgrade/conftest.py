"""A database in which nothing is yet, on each of the two."""

import pytest

from server.store.engine import open_engine


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def engine(request, tmp_path):
    """To be migrated, step by step."""
    url = f"sqlite:///{tmp_path / 'm.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = open_engine(url)
    yield made
    made.dispose()
