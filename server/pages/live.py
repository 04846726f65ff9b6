"""A page whose middle takes the place of itself when it changed: shown at once, and asked for again every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from server.pages import words
from server.pages.rendering import piece


@dataclass(frozen=True, kw_only=True)
class Live:
    """What is shown again. template: of a piece that has an id of its own; address: which answers with it (`again`)."""

    template: str
    address: str
    seconds: int

    def first(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """For the page's template: the `piece` of what is shown, and the `poll` that asks for it again."""
        return {"piece": piece(self.template, oob=False, **shown), "poll": self._poll(shown)}

    def again(self, v: str, shown: Mapping[str, Any]) -> Response:
        """The piece, if anything about it changed since version v; else 204."""
        if v == words.digest(shown):
            return Response(status_code=204)
        return HTMLResponse(Markup("\n").join([self._poll(shown), piece(self.template, oob=True, **shown)]))

    def _poll(self, shown: Mapping[str, Any]) -> Markup:
        return piece("_poll.html", address=self.address, version=words.digest(shown), seconds=self.seconds)
