"""The pages of docs/: their examples run, their commands exist, the site builds, and its links are valid."""

from __future__ import annotations

import html.parser
import subprocess
import sys
from types import ModuleType
from urllib.parse import unquote, urlsplit

import click
import pytest
from pages import DOCS, PAGES, WITH_PYTHON, blocks, run_page, same
from public import public_names as public_names_of_bpfree

import bpfree
from bpfree.cli import main

EXTRAS = {
    "emulate": ("emulate.", ("ziglang", "unicorn", "elftools", "capstone")),
    "sklearn": ("bpfree.sklearn import", ("sklearn",)),
    "onnx": ("import onnxruntime", ("onnx", "onnxruntime")),
}
"""By extra: a word that occurs in the pages that need it, and its packages."""


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_examples_print_what_the_page_shows(page, tmp_path, monkeypatch):
    for extra, (word, packages) in EXTRAS.items():
        for package in packages if word in PAGES[page] else ():
            pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[{extra}]"')
    monkeypatch.chdir(tmp_path)
    run_page(page)
    if page == "getting-started.md":
        from bpfree import emulate

        ((_, program, _, _),) = blocks(page, "c")
        assert not (tmp_path / "firmware/main.c").read_text().startswith(program[:20])
        (tmp_path / "firmware/main.c").write_text(program)
        assert emulate.run_firmware(emulate.compile_firmware(tmp_path / "firmware")).exit_code == 0


def test_outputs_are_compared(monkeypatch):
    assert same("about 1,000 B\ntime ... s\n", "about 1,050 B\ntime 1.5 s\n")
    assert not same("about 1,000 B\n", "about 1,200 B\n")
    assert not same("a 1,000 B\n", "a 1,001 B\n")
    wrong = "```python\nprint(1)\n```\n\n```text\n2\n```\n"
    monkeypatch.setitem(PAGES, "wrong.md", wrong)
    with pytest.raises(AssertionError, match="and prints"):
        run_page("wrong.md")


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "sh"))])
def test_commands_exist(page):
    for _, text, _, _ in blocks(page, "sh"):
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["bpfree"]:
                check_command(words[1:], line)


def check_command(words, line):
    """Assert that every command and every option of a line exists."""
    command, context = main, click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, line
    known = {name for option in command.get_params(context) for name in [*option.opts, *option.secondary_opts]}
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known, f"{word}: {line}"


@pytest.fixture
def extensions(monkeypatch):
    """Make the modules of docs/_ext importable."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))


def test_docstrings_become_markup(extensions):
    from plain_docstrings import to_rst

    text = """First line with `code`, a * and |x|_.

    Adam:  m <- beta m
    theta_ <- theta

    lr: a number. Not: that. mu, q: two
    more. A sentence.

    >>> 1 * 1
    1

    Args:
        lr: one,
            and more.
    """
    assert "\n".join(to_rst(text, ("lr", "mu", "q"))).split("\n") == [
        r"First line with ``code``, a \* and \|x\|\_.",
        "",
        ".. code-block:: text",
        "   :class: docstring",
        "",
        "   Adam:  m <- beta m",
        "   theta_ <- theta",
        "",
        ".. container:: entries",
        "",
        "   ``lr``",
        "      a number. Not: that.",
        "",
        "   ``mu``, ``q``",
        "      two more. A sentence.",
        "",
        "",
        ".. code-block:: pycon",
        "   :class: docstring",
        "",
        "   >>> 1 * 1",
        "   1",
        "",
        ".. container:: entries",
        "",
        "   ``lr``",
        "      one, and more.",
        "",
        "",
    ]


def test_ram_table_is_bpfree_train_size(extensions):
    pytest.importorskip("bpfree._core")
    import ram_table

    from bpfree import native
    from bpfree.graph.c_tables import device_tables
    from bpfree.native.model import NativeModel
    from bpfree.native.trainer import NativeTrainer

    fields = native.core().ffi.typeof("bpfree_context").fields
    assert len(fields) * 4 == ram_table.CONTEXT  # pointers and numbers, each a word of a 32-bit processor
    pointers = native.core().ffi.sizeof("bpfree_context") - ram_table.CONTEXT
    for layers in ram_table.MODELS.values():
        for estimator in ram_table.ESTIMATORS.values():
            for update in ram_table.UPDATES.values():
                if not ram_table.fits(layers, estimator, update):
                    continue
                trainer = ram_table.make_trainer(layers, estimator, update)
                tables = device_tables(trainer)
                in_c = NativeTrainer(NativeModel(tables, "scalar"), **trainer.device_settings()).train_bytes()
                assert ram_table.train_bytes(trainer) == in_c - pointers


def test_every_public_name_has_a_page(extensions, monkeypatch):
    import public_names

    assert public_names.left_out() == []
    documented = [name for group in public_names.GROUPS for name in public_names.names_of(group)]
    assert len(documented) == len(set(documented)), "a name is in two groups"
    modules = {name for name, value in public_names_of_bpfree().items() if isinstance(value, ModuleType)}
    assert set(documented) == set(public_names_of_bpfree()) - modules - {"bpfree.__version__"}
    for group in public_names.GROUPS:
        assert f"{{public}} {group}\n" in PAGES[f"api/{group}.md"]
        assert f"{{public-summary}} {group}\n" in PAGES["api/index.md"]

    monkeypatch.setitem(bpfree._HOMES, "Forgotten", "bpfree.elsewhere")
    assert public_names.left_out() == ["Forgotten"]


class Page(html.parser.HTMLParser):
    """The anchors of a page, its links, and the files that a browser loads for it."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.loaded += [values[key] for key in ("src", "data") if key in values and tag != "a"]
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(values["href"])


@pytest.mark.slow
def test_site(tmp_path):
    for package in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
        pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[docs]"')
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = {path: Page(path.read_text()) for path in tmp_path.rglob("*.html")}
    assert len(pages) > len(PAGES)
    for path, page in pages.items():
        for target in page.loaded:
            local = path.parent / unquote(urlsplit(target).path)
            assert not urlsplit(target).netloc, f"{path.name} loads {target} from the network"
            assert target.startswith("data:") or local.exists(), f"{path.name} loads {target}, which is not there"
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert to.exists(), f"{path.name} links to {link}, which is not there"
            if parts.fragment and to in pages:
                assert unquote(parts.fragment) in pages[to].ids, f"{path.name} links to {link}: no such place"
    api = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "api"))
    assert {f"bpfree.{name}" for name in bpfree._HOMES} <= api
