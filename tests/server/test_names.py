"""What lists are ordered by and searches compare, and a full name taken apart."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import names

IN_ORDER = [
    ("Adams", "Zoe"),
    ("Álvarez", "Ana"),
    ("Alvarez", "Bo"),
    ("Çelik", "Deniz"),
    ("de la Cruz", "Maria"),
    ("Delacruz", "Nora"),
    ("Łukasz", "Jan"),
    ("Oakley", "Ann"),
    ("O'Brien", "Una"),
    ("Ó Briain", "Tomás"),
    ("Øst", "Per"),
    ("Smith", "Zara"),
    ("Smith-Jones", "Al"),
    ("Ząb", "Ewa"),
]


def test_people_stand_where_somebody_looks_for_them_whatever_their_accents_spaces_and_signs():
    shuffled = sorted(IN_ORDER, key=lambda one: one[1])
    found = sorted(shuffled, key=lambda one: names.sort_name(*one))
    assert [family for family, _ in found] == [
        "Adams", "Álvarez", "Alvarez", "Çelik", "de la Cruz", "Delacruz", "Łukasz", "Oakley", "Ó Briain", "O'Brien",
        "Øst", "Smith", "Smith-Jones", "Ząb",
    ]  # fmt: skip


@given(st.text())
def test_plain_letters_are_their_own_plain_letters(text):
    assert names.plain(names.plain(text)) == names.plain(text)


NAMES = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Zs", "Pd", "Po"]))


@given(NAMES, NAMES)
def test_what_a_name_is_made_of_finds_it(family, given_names):
    held = names.sort_name(family, given_names)
    assert all(word in held for word in names.words(family))
    assert not family.strip() or held


@given(st.text(string.ascii_letters + "áàâäãåçéñöøßæ' -’ʼ", min_size=1))
def test_of_a_latin_name_only_small_letters_are_left_which_every_database_orders_alike(text):
    assert set(names.plain(text)) <= set(string.ascii_lowercase)


@pytest.mark.parametrize(("text", "plain"), [("李小龙", "李小龙"), ("नमस्ते", "नमस्ते"), ("Ἀθηνᾶ", "αθηνα")])
def test_a_name_of_another_script_keeps_its_letters(text, plain):
    assert names.plain(text) == names.sort_name(text, "") == plain


def test_a_name_of_signs_alone_is_ordered_by_them():
    assert names.sort_name("=1+1", "") == "11" and names.sort_name("–", "?") == "– ?"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("Álvarez", ["alvarez"]),
        ("Ó Briain", ["obriain"]),
        ("o brien una", ["obrien", "una"]),
        ("O'Brien", ["obrien"]),
        ("Smith-Jones", ["smithjones"]),
        ("smith - jones", ["smith", "jones"]),
        ("%%", []),
        ("ó", ["o"]),
    ],
)
def test_a_search_compares_the_letters_that_lists_are_ordered_by(typed, found):
    assert names.words(typed) == found


@pytest.mark.parametrize(
    ("full", "parts"),
    [
        ("Ada Zuse", ("Ada", "Zuse")),
        ("Ada Mary Zuse", ("Ada Mary", "Zuse")),
        ("Tomás Ó Briain", ("Tomás", "Ó Briain")),
        ("Zoë van der Berg", ("Zoë", "van der Berg")),
        ("Leila Ben Amor", ("Leila", "Ben Amor")),
        ("Van Morrison", ("Van", "Morrison")),
        ("Sukarno", ("", "Sukarno")),
        ("", ("", "")),
    ],
)
def test_a_full_name_is_taken_apart_before_the_family_name(full, parts):
    assert names.apart(full) == parts
    assert " ".join(filter(None, parts)) == full
