"""The pages of docs/ as programs: their Python blocks run in order, and text blocks are what these print.

`python tests/support/pages.py --write [PAGE ...]` renews the outputs in the pages, where a change of results is meant.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
import tempfile
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text() for path in sorted(DOCS.rglob("*.md"))}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str, *languages: str):
    """Yield (language, text, start, end) of the fenced blocks of a page."""
    for found in FENCE.finditer(PAGES[page]):
        if found[1] in languages:
            yield found[1], found[2], found.start(), found.end()


WITH_PYTHON = [page for page in PAGES if any(blocks(page, "python"))]


def same(shown: str, printed: str) -> bool:
    """Return whether texts are equal, where `...` matches anything and numbers after `about` may differ by 10 %."""
    numbers = [[float(n.replace(",", "")) for n in re.findall(r"about ([\d,]*\d)", text)] for text in (shown, printed)]
    shown, printed = (re.sub(r"about [\d,]*\d", "about 0", text) for text in (shown, printed))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(shown, printed, flags) and numbers[0] == pytest.approx(numbers[1], 0.1)


def run_page(page: str) -> None:
    """Execute the Python blocks of a page in order; a text block directly after one must be its output."""
    for text, printed, _ in outputs(page):
        assert same(text, printed), f"{page} shows\n{text}\nand prints\n{printed}"


def outputs(page: str):
    """Yield (text shown, text printed, where the block begins) of each text block that directly follows Python."""
    names = {"__name__": "__main__"}
    printed, end = "", None
    for language, text, start, stop in blocks(page, "python", "text"):
        if language == "python":
            line = PAGES[page].count("\n", 0, start) + 1
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile("\n" * line + text, str(DOCS / page), "exec"), names)
            printed, end = out.getvalue(), stop
        elif end is not None and not PAGES[page][end:start].strip():
            yield text, printed, start
            printed = ""


def renewed(page: str) -> str:
    """Return the text of a page with what its examples print now; lines that still agree stay as they are."""
    text = PAGES[page]
    for shown, printed, start in list(outputs(page)):
        if not same(shown, printed):
            old, new = shown.splitlines(), printed.splitlines()
            if len(old) == len(new):
                new = [before if same(before, after) else after for before, after in zip(old, new)]
            place = text.index(f"```text\n{shown}```", text.index(PAGES[page][:start][-40:]))
            text = text[:place] + text[place:].replace(shown, "\n".join(new) + "\n", 1)
    return text


def main() -> None:
    """Write the pages whose outputs have changed."""
    for page in sys.argv[2:] or WITH_PYTHON:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            text = renewed(page)
        if text != PAGES[page]:
            (DOCS / page).write_text(text)
            print(f"wrote docs/{page}")


if __name__ == "__main__":
    if sys.argv[1:2] != ["--write"]:
        sys.exit(__doc__)
    main()
