"""Making hostile text harmless to whoever reads it, without hiding that something was there.

Prompts and results are written by attackers: an escape sequence must not reach the terminal, a
line break must not forge a line, a formula must not start in a spreadsheet, and a character that
changes the direction of text must not turn an account number round.
"""

from __future__ import annotations

import re
from typing import Final

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional and invisible formatting.
_ACTIVE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff\ud800-\udfff]"
)
_SHORT: Final = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x1b": "␛"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def one_line(text: str) -> str:
    """Return the text as one line in which every active character is shown and none acts."""
    return _ACTIVE.sub(_visible, text)


def csv_cell(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula (OWASP: CSV injection)."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    return _SHORT.get(character) or f"<U+{ord(character):04X}>"
