"""What stands beside the templates: htmx as it was published, colours that can be read, words in place of colour."""

import hashlib
import re
from pathlib import Path

import pytest

from server.pages.rendering import STATIC, TEMPLATES

HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
CSS = (STATIC / "muster.css").read_text()
#: text on ground
PAIRS = [
    ("ink", "ground"), ("ink", "sheet"), ("soft", "ground"), ("soft", "sheet"), ("link", "sheet"), ("link", "ground"),
    ("on-deep", "deep"), ("on-deep", "danger"), ("ink", "plain-ground"), ("soft", "plain-ground"), ("good", "good-ground"),
    ("late", "late-ground"), ("bad", "bad-ground"), ("calm", "calm-ground"), ("ink", "fresh"), ("soft", "fresh"),
    ("link", "fresh"),
]  # fmt: skip
#: what is no text but has to be seen: controls, lamps, bars
SHAPES = [("link", "ground"), ("soft", "sheet"), ("lamp-blue", "sheet"), ("lamp-red", "sheet"), ("bar", "plain-ground")]


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.S)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found | (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else {})


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_against_its_ground(scheme):
    known = colours(scheme)
    found = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in PAIRS}
    assert not {pair: ratio for pair, ratio in found.items() if ratio < 4.5}
    found = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in SHAPES}
    assert not {pair: ratio for pair, ratio in found.items() if ratio < 3}


def test_htmx_is_what_was_published_and_is_served(anonymous):
    data = (STATIC / "vendor" / "htmx-2.0.11.min.js").read_bytes()
    assert hashlib.sha256(data).hexdigest() == HTMX_SHA256
    answer = anonymous.get("/static/vendor/htmx-2.0.11.min.js")
    assert answer.status_code == 200 and answer.content == data


def test_nothing_comes_from_another_site_and_nothing_is_inline():
    for name in TEMPLATES:
        text = (STATIC.parent / "templates" / name).read_text()
        assert not re.search(r"""(src|href|action|hx-\w+)=["']?(https?:)?//""", text), name
        assert not re.search(r"<style|\sstyle=|\son\w+=|hx-on|<script(?![^>]* src=)|\|\s*safe", text), name
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", CSS)
    assert "@import" not in CSS


def test_what_a_page_asks_of_the_static_folder_is_there(anonymous):
    text = anonymous.get("/sign-in").text
    for path in re.findall(r'(?:src|href)="(/static/[^"?]+)', text):
        assert anonymous.get(path).status_code == 200, path


def _inside_labels(text: str) -> str:
    """What stands within labels: a field there is labelled by them."""
    return "".join(re.findall(r"<label[^>]*>.*?</label>", text, re.S))


def test_every_field_has_a_label_and_every_table_a_caption():
    for name in TEMPLATES:
        text = (STATIC.parent / "templates" / name).read_text()
        for field in re.findall(r"<(?:input|select)[^>]*>", text):
            if 'type="hidden"' in field or field in _inside_labels(text):
                continue
            (id_,) = re.findall(r'\bid="([^"]+)"', field)
            assert f'for="{id_}"' in text, (name, field)
        assert text.count("<table") == text.count("<caption"), name
        assert len(re.findall(r"<th(?=[ >])", text)) == len(
            re.findall(r'<th[^>]*scope="(?:col|row|rowgroup)"', text)
        ), name


def test_every_form_that_changes_something_brings_its_token():
    for name in TEMPLATES:
        text = (STATIC.parent / "templates" / name).read_text()
        for form in re.findall(r'<form[^>]*method="post".*?</form>', text, re.S):
            assert 'name="csrf"' in form, name


#: what a register's row prints as it is: the server's own numbers, words and times, and a code that was escaped before
OWN = {"id", "mark_id", "session_id", "kind", "note_kind", "mark", "mark_kind", "at[:5]", "at[5:]"}


def test_only_a_registers_rows_are_not_escaped_by_themselves_and_they_escape_what_others_said():
    texts = {name: (STATIC.parent / "templates" / name).read_text() for name in TEMPLATES}
    assert [name for name, text in texts.items() if re.search(r"autoescape|\|\s*safe\b|Markup", text)] == ["_rows.html"]
    (inside,) = re.findall(r"{% autoescape false %}(.*){% endautoescape %}", texts["_rows.html"], re.S)
    printed = {one.strip() for one in re.findall(r"{{(.*?)}}", inside)}
    assert {one for one in printed if not re.fullmatch(r"\w+ \| e", one)} == OWN
    (names,) = re.findall(r"{% for ([^%]*) in rows %}", inside)
    assert len(names.split(", ")) == 12


@pytest.mark.parametrize("path", ["/static/../guard.py", "/static/%2e%2e/guard.py", "/static/..%2fguard.py"])
def test_nothing_beside_the_static_folder_is_served(anonymous, path):
    assert anonymous.get(path).status_code == 404
    assert Path(STATIC.parent / "guard.py").exists()
