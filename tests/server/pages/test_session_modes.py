"""A session's mode is said in the registry's form, and its register goes by the deadline of that mode."""

import pytest

from server.policy import sections
from server.store import schema
from tests.rules import rule
from tests.server.pages.register_desk import plain
from tests.server.pages.requesting import Corrected
from tests.server.pages.test_campus_pages import do


@pytest.fixture
def school(tmp_path):
    made = Corrected(tmp_path)
    yield made
    made.close()


@rule("LOUGH-1", "LOUGH-2", "LOUGH-3")
@pytest.mark.parametrize(
    ("mode", "told"),
    [
        (sections.CLASSROOM, "Mark by 10:28"),
        (sections.SCHOOL_LINK, "Mark by 10:23"),
        (sections.OFF_SITE, "Mark by Tue 6 Oct, 00:00"),
    ],
)
def test_the_mode_that_the_registry_gives_decides_by_when_it_is_marked(school, signed, mode, told):
    session = school.session(starts_min=-7, mode="online")
    answer = do(signed("rita"), f"/registry/sessions/{session}/change", mode=mode)
    assert answer.status_code == 303, answer.text
    assert [row.mode for row in school.world.all(schema.session)] == [mode]
    assert told in plain(signed("ada").get(f"/sessions/{session}").text)
    assert ("Computing" in plain(signed("ada").get("/paper").text)) == (mode == sections.OFF_SITE)
