"""Somebody at a browser: finds fields by their labels and buttons by their words, as people do."""

from __future__ import annotations

import json
from pathlib import Path

from tests.server.pages.browser import Tab

#: a field by the beginning of its label; boxes and circles are ticked by true
_FILL = """((label, value) => {
  const found = [...document.querySelectorAll("main label")].find(one => one.innerText.trim().startsWith(label) && one.control);
  if (!found) throw new Error("no field " + label);
  const field = found.control;
  if (typeof value === "boolean") { if (field.checked !== value) field.click(); return; }
  if (field.tagName === "SELECT" && ![...field.options].some(one => one.value === value))
    value = [...field.options].find(one => one.text.trim().startsWith(value)).value;
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
})"""
_PRESS = """((words) => {
  const seen = [...document.querySelectorAll("main button, main a, header button, header a")].filter(one => one.offsetParent);
  const found = seen.find(one => one.innerText.trim().replace(/\\s+/g, " ").startsWith(words));
  if (!found) throw new Error("nothing to press says " + words + " but " + seen.map(one => one.innerText.trim()).join(" | "));
  window.left = true;
  found.click();
})"""


class Person:
    """One tab, signed in as one after another. clicks: what was pressed since `open`."""

    def __init__(self, tab: Tab, url: str) -> None:
        self.tab, self.url, self.clicks = tab, url, 0

    def enter(self, token: str | None) -> None:
        """Go on as whoever has this login; None: as nobody. A page that asks for news by itself is left first."""
        self.tab.go("about:blank")
        self.tab.call("Network.clearBrowserCookies")
        if token is not None:
            self.tab.call("Network.setCookie", name="muster_login", value=token, url=self.url)

    def open(self, address: str) -> None:
        self.tab.go(self.url + address)
        self.clicks = 0

    def fill(self, **fields: str | bool) -> None:
        """label (blanks as _) -> what is written, chosen or ticked."""
        for label, value in fields.items():
            self.fill_in(label.replace("_", " "), value)

    def fill_in(self, label: str, value: str | bool) -> None:
        self.tab.run(f"{_FILL}({json.dumps(label)}, {json.dumps(value)})")

    def attach(self, selector: str, *files: Path) -> None:
        self.tab.attach(selector, *files)

    def press(self, words: str) -> None:
        """The first button or link whose words begin so, and wait for the page that it leads to."""
        self.tab.run(f"{_PRESS}({json.dumps(words)})")
        self.tab.until("!window.left && document.readyState === 'complete'")
        self.clicks += 1

    @property
    def sees(self) -> str:
        return self.tab.run("document.body.innerText")

    @property
    def path(self) -> str:
        return self.tab.run("location.pathname")
