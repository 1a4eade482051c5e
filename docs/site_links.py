"""A hook of MkDocs: links from a page to files that are not on the site become plain text."""

import re

OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the text of a page without its links to files beside ``docs``."""
    return OUTSIDE.sub(r"\1", markdown)
