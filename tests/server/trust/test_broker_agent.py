"""The agent beside a broker: whatever answers, it goes on, and writes nothing that is not whole."""

import json

import httpx
import pytest

from server.broker_agent import Agent

GOOD = {
    "credentials": [{"user": "a-1", "hash": "$7$101$c2FsdA==$aGFzaA==", "mutual": False, "gateway": False}],
    "digest": "d",
}


def said(**more) -> bytes:
    """A store's answer, with its one account otherwise."""
    return json.dumps(GOOD | {"credentials": [GOOD["credentials"][0] | more]}).encode()


@pytest.fixture
def agent(tmp_path):
    """`agent(body, ...)`: one step for each body, and what became of the files."""

    def step(*bodies):
        left = list(bodies)
        answers = httpx.MockTransport(lambda _: httpx.Response(200, content=left.pop(0)))
        with httpx.Client(transport=answers, base_url="http://store") as store:
            one = Agent(tmp_path, store, tmp_path / "pid", kill=lambda *_: None)
            told = [one.step() for _ in bodies]
        return told, {path.name: path.read_text() for path in tmp_path.iterdir()}

    (tmp_path / "pid").write_text("1")
    return step


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"null", b"[]", b"{}", b'{"credentials": [1], "digest": "x"}', b"[" * 200_000, b"\xff\xfe", said()[:40],
        said(user="a-1\nuser a-2"), said(user="a:b"), said(user=""), said(user=7), said(hash="x\ny:z"), said(hash=None),
    ],
    ids=["a page", "null", "a list", "nothing in it", "no account", "deep", "not UTF-8", "cut",
         "a user of two lines", "a user of two fields", "no user", "a number", "a hash of two lines", "no hash"],
)  # fmt: skip
def test_what_is_no_stores_answer_changes_no_file_and_ends_nothing(agent, body):
    told, files = agent(body, said())
    assert told == [False, True], "and the next answer is taken"
    assert files["passwords"] == "a-1:$7$101$c2FsdA==$aGFzaA==\n" and "a-2" not in files["muster.acl"]


def test_rubbish_alone_leaves_what_was_there(agent):
    _, before = agent(said())
    told, after = agent(b"<html>", b"null")
    assert told == [False, False] and after == before
