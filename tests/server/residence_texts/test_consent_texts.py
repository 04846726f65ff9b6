"""The words that residents agree to are there in every language, and are the ones whose digest a consent keeps."""

import hashlib
from datetime import date

import pytest

from server import residence_texts
from server.errors import NotFound
from tests.rules import rule

#: what somebody may have agreed to: these words never change; new ones are a new file
KEPT = {
    ("2026-11-22", "en"): "857100aa5a432bb5632ad681ca857cd06583df232a85929b810ae1487b4ab9a6",
    ("2026-11-22", "hi"): "532686e380d0192436278b88ee0fb9dd5fdfc6c7f38bc24ed42c07c480a35ddb",
    ("2026-11-22", "cy"): "3d809c3f9d0fcd22ba1a57823f2a2430946306ab90eecab34d6590cbee66903e",
    ("2026-11-22", "de"): "81b3cf9be2453ef830ce2835e015db5545c5d2c55738a163be0d325dc169c79c",
}


@rule("DDU-12")
def test_every_version_is_dated_and_has_all_languages_and_the_same_paragraphs():
    versions = {version for version, _ in residence_texts.every()}
    for version in versions:
        assert date.fromisoformat(version)
        texts = [residence_texts.text(version, language) for language in residence_texts.LANGUAGES]
        assert {len(one.words.splitlines()) for one in texts} == {5}
        assert all("PIN" in one.words or "पिन" in one.words for one in texts), "the alternative is named"


def test_a_language_that_is_not_there_falls_back_and_a_version_that_is_not_is_an_error():
    assert residence_texts.newest("fr").language == "en" and residence_texts.newest("cy").language == "cy"
    with pytest.raises(NotFound):
        residence_texts.text("1999-01-01", "en")


def test_what_was_agreed_to_is_not_changed_afterwards():
    for (version, language), digest in KEPT.items():
        found = residence_texts.text(version, language)
        assert found.digest == digest == hashlib.sha256(found.words.encode()).hexdigest()
