"""The label on a reader's case: room, reader and a QR that leads to its page. As a picture (SVG) and as text."""

from __future__ import annotations

import io
from html import escape

import segno

#: millimetres
WIDTH, HEIGHT, QR = 62, 29, 23


def address(store: str, reader: str) -> str:
    """Where the QR leads: no secret is in it."""
    return f"{store.rstrip('/')}/doors/readers/{reader}"


def svg(store: str, reader: str, room: str) -> str:
    """The label as it is printed, 62 by 29 mm: the tape of common label printers."""
    code = segno.make_qr(address(store, reader), error="m")
    drawn = io.BytesIO()
    modules = code.symbol_size(border=0)[0]
    code.save(drawn, kind="svg", xmldecl=False, svgns=False, border=0, omitsize=True, nl=False)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}mm" height="{HEIGHT}mm" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<svg x="3" y="3" width="{QR}" height="{QR}" viewBox="0 0 {modules} {modules}">'
        f"{drawn.getvalue().decode()}</svg>"
        f'<g font-family="sans-serif" fill="#000">'
        f'<text x="29" y="12" font-size="{_size(room, 7.0)}" font-weight="bold">{escape(room)}</text>'
        f'<text x="29" y="19" font-size="{_size(reader, 4.5)}">{escape(reader)}</text>'
        f'<text x="29" y="25" font-size="2.6">Muster</text></g></svg>\n'
    )


def text(store: str, reader: str, room: str) -> str:
    """The same for a terminal."""
    drawn = io.StringIO()
    segno.make_qr(address(store, reader), error="m").terminal(out=drawn, compact=True, border=2)
    return f"{drawn.getvalue()}\n  {room}\n  {reader}\n"


def _size(words: str, most: float) -> float:
    """So that the words fit beside the QR: letters are about six tenths as wide as they are high."""
    return round(min(most, (WIDTH - 32) / (0.62 * max(1, len(words)))), 2)
