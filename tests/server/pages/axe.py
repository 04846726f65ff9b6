"""axe-core in a tab: what it finds wrong with the page that the tab shows, by WCAG 2.2 A and AA."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "npm" / "node_modules" / "axe-core" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: what another width and other colours can change
_LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size", "meta-viewport"]


def source() -> str:
    """axe's own text; the test is skipped aloud where `npm ci` was not run in tests/npm."""
    if not SCRIPT.exists():
        pytest.skip("axe-core is not installed: run `npm ci` in tests/npm")
    return SCRIPT.read_text("utf-8")


def bring(tab) -> None:
    """Each page that the tab opens from now on has axe. It is half a megabyte: once, and not with every page."""
    tab.call("Page.addScriptToEvaluateOnNewDocument", source=source())


def problems(tab, *, looks: bool = False) -> list[str]:
    """A line for each rule that the page breaks, with the first place. looks: only what its look decides."""
    options = {"runOnly": _LOOKS if looks else _TAGS, "resultTypes": ["violations"]}
    found = json.loads(
        tab.run(f"axe.run(document, {json.dumps(options)}).then(found => JSON.stringify(found.violations))")
    )
    return [f"{one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html'][:200]}" for one in found]
