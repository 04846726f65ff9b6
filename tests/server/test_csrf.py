"""A form's value: itself as text, another text each time it is printed, and nothing else is taken for it."""

from hypothesis import given
from hypothesis import strategies as st

from server import csrf
from server.pages.rendering import TEMPLATES

VALUES = st.text(min_size=1, max_size=64)


@given(VALUES)
def test_a_masked_value_is_the_value_and_never_looks_the_same(value):
    once, again = csrf.masked(value), csrf.masked(value)
    assert csrf.is_from(once, value) and csrf.is_from(again, value) and csrf.is_from(value, value)
    assert value not in once or len(value) < 4
    assert len(once) == len(again)
    # Random bytes as long as the value: alike once in 256 times for one letter.
    assert once != again or len(value.encode()) < 4


@given(st.text(max_size=100), VALUES)
def test_nothing_else_is_taken_for_it(sent, value):
    assert csrf.is_from(sent, value) == (sent == value)


@given(VALUES, VALUES)
def test_a_mask_over_another_value_is_not_taken(one, other):
    assert csrf.is_from(csrf.masked(one), other) == (one.encode("utf-8", "replace") == other.encode("utf-8", "replace"))


@given(st.text(max_size=100))
def test_an_empty_value_is_nobodys(sent):
    assert not csrf.is_from(sent, "") and not csrf.is_from(csrf.masked(""), "")


def test_a_masked_value_that_was_altered_is_not_taken():
    masked = csrf.masked("a" * 32)
    for at in range(0, len(masked) - 2, 5):
        # Of the last character only the two highest bits are said: A and Q differ there.
        other = "A" if masked[at] != "A" else "Q"
        assert not csrf.is_from(masked[:at] + other + masked[at + 1 :], "a" * 32), at


def test_a_template_prints_it_masked_wherever_it_stands():
    token = csrf.Token("s3cret" * 5)
    frame = TEMPLATES["sign_in.html"].environment.from_string(
        "{{ csrf }} {{ login.csrf }} {{ [csrf] | join }} {{ csrf | e }}"
    )
    text = frame.render(csrf=token, login={"csrf": token})
    assert token not in text and len(set(text.split())) == 4
    assert all(csrf.is_from(one, token) for one in text.split())
