"""The frame of every HTML page: all that it needs is inside, and nothing else may be shown or loaded."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from neuropil.drawing.wording import escape

__all__ = ["html_document"]


def html_document(title: str, body: str, style: str) -> str:
    """A page without scripts and without the network.

    It may show images it holds and use this one style sheet; nothing else, whatever a class or a file is called.

    Args:
        title: as text.
        body: finished HTML.
        style: its style sheet.

    Example:
        >>> html_document("a < b", "<p>c</p>", "").count("a &lt; b")
        1
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


@cache
def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
