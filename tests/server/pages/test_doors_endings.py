"""The page of doors says which certificate ends soon, and what to do."""

import re

from server import certificates
from server.store import authorities, endings
from server.store.endings import DAY_MS
from server.store.engine import writing


def text_of(visitor) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", visitor.get("/doors").text).split())


def test_a_certificate_that_ends_within_thirty_days_stands_on_the_page_until_the_next_is_issued(school, signed):
    world, now_ms = school.world, school.now_ms
    visitor = signed("tess")
    with writing(world.engine) as connection:
        authority = authorities.make(connection, world.vault, world.institution_id, "t", now_ms)

    def issue(at_ms):
        with writing(world.engine) as connection:
            made = certificates.issue_broker(authority, ["b"], at_ms).certificate
            endings.note(connection, world.institution_id, "broker", made, at_ms)

    issue(now_ms - (certificates.BROKER_DAYS - 40) * DAY_MS)
    assert "The certificate of broker" not in text_of(visitor)
    issue(now_ms - (certificates.BROKER_DAYS - 20) * DAY_MS)
    assert "The certificate of broker ends" in text_of(visitor)
    issue(now_ms - (certificates.BROKER_DAYS + 1) * DAY_MS)
    assert "The certificate of broker ended" in text_of(visitor)
    issue(now_ms)
    assert "The certificate of broker" not in text_of(visitor)
