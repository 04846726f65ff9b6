"""Sign-ins begun with a passkey or at the provider: whoever floods them keeps nobody else out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.pages.begun import ADDRESS, ALL, SHARE, WINDOW_MS, Begun, Often
from tests.server.pages.school import Visitor


def fill(begun, addresses, many, now_ms=0):
    """So many from each of these; how many were let through in all."""
    passed = 0
    for address in addresses:
        for _ in range(many):
            try:
                begun.need(address, now_ms)
            except Often:
                break
            passed += 1
    return passed


def test_ten_addresses_that_fill_everybodys_room_keep_no_other_out():
    begun = Begun()
    assert fill(begun, [f"192.0.2.{n}" for n in range(10)], ADDRESS) == ALL
    assert fill(begun, ["198.51.100.7"], ADDRESS) == SHARE, "its share, however full it is"
    with pytest.raises(Often):
        begun.need("192.0.2.1", 0)


def test_one_network_of_version_six_is_one_stranger():
    begun = Begun()
    strangers = (f"2001:db8:0:{n:x}::1" for n in range(200))
    assert fill(begun, strangers, ADDRESS) == ALL, "each /64 by itself, as long as there is room"
    assert fill(begun, (f"2001:db8:0:{n:x}::1" for n in range(200, 4000)), ADDRESS) == 0
    assert fill(begun, ["2001:db8:1::1", "192.0.2.1"], 1) == 2


def test_with_the_minute_it_is_over():
    begun = Begun()
    fill(begun, [f"192.0.2.{n}" for n in range(10)], ADDRESS)
    assert fill(begun, ["192.0.2.1"], ADDRESS, WINDOW_MS) == ADDRESS


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 40)), max_size=20))
def test_whoever_has_begun_none_is_let_through_whatever_others_did(storm):
    begun = Begun(address=20, everybody=100)
    for n, many in storm:
        fill(begun, [f"192.0.2.{n}"], many)
    assert fill(begun, ["198.51.100.7"], 1) == 1


def test_a_browser_that_we_know_waits_for_nobody_behind_its_address(school):
    """A college is behind one address: somebody in it who floods the sign-in keeps no known browser out."""
    app = school.app(public_url="https://muster.example")
    own, stranger = (Visitor(app, base_url="https://muster.example") for _ in range(2))
    own.sign_in("ada")
    own.post("/sign-out", {"csrf": own.csrf("/account")})

    def begin(visitor):
        token = visitor.csrf("/sign-in")
        return visitor.post("/sign-in/passkey/begin", {"csrf": token}).status_code

    object.__setattr__(app.state.desk, "begun", Begun(address=3))
    assert [begin(stranger) for _ in range(4)] == [200, 200, 200, 429]
    assert begin(own) == 200
    assert [begin(own) for _ in range(3)] == [200, 200, 429], "its own count holds for it too"
