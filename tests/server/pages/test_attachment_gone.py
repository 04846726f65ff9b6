"""A supporting file that is erased while somebody fetches it: a sentence, or the whole file, and never a fault."""

import pytest

from server.pages import attachment
from server.store import attachments, schema_work
from server.store.engine import writing
from tests.server.filetypes.files import LETTER
from tests.server.pages.requesting import Corrected, ask, made


@pytest.fixture
def school(tmp_path):
    found = Corrected(tmp_path)
    yield found
    found.close()


@pytest.fixture
def file(school, signed):
    session = school.aged(2)
    made(ask(signed("ada"), session, {school.students[0]: "P"}, reason="x", files=[("letter.pdf", LETTER)]))
    return school.world.all(schema_work.attachment)[0]


def erase(school, file) -> None:
    folder = attachments.folder_of(school.folder)
    with writing(school.world.engine) as connection:
        attachments.erase(connection, folder, school.world.institution_id, file.id, school.now_ms)


def test_a_file_that_is_erased_after_it_was_asked_for_is_not_there_and_that_is_said(school, signed, file, monkeypatch):
    rita, seen = signed("rita"), attachments.opened

    def late(folder, found):
        erase(school, file)
        return seen(folder, found)

    # The moment between the row and its bytes, which no test meets by chance.
    monkeypatch.setattr(attachment.attachments, "opened", late)
    answer = rita.get(f"/attachments/{file.id}")
    assert answer.status_code == 404 and "There is no such file, or it is not for you" in answer.text
    assert "bytes" not in answer.text


def test_a_file_that_is_erased_while_it_is_sent_arrives_whole_and_is_gone_then(school, signed, file, monkeypatch):
    rita, pieces = signed("rita"), attachment._pieces

    def slowly(opened):
        erase(school, file)
        yield from pieces(opened)

    monkeypatch.setattr(attachment, "_pieces", slowly)
    answer = rita.get(f"/attachments/{file.id}")
    assert answer.status_code == 200 and answer.content == LETTER
    assert rita.get(f"/attachments/{file.id}").status_code == 404


def test_a_file_whose_bytes_were_lost_is_said_so_and_nobody_thinks_it_was_erased(school, signed, file):
    (attachments.folder_of(school.folder) / file.stored_as).unlink()
    answer = signed("rita").get(f"/attachments/{file.id}")
    assert answer.status_code == 404 and "bytes are not there: tell whoever runs Muster" in answer.text
