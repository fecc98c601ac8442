"""What users see imports public names only: the README, the pages, the examples, and the examples in docstrings."""

import doctest
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from pages import FENCE
from public import not_public, public_names

import bpfree

PLACE = Path(__file__).resolve().parents[1]
PUBLIC = public_names()


def programs():
    """Yield (name, program) of everything that users read as an example; blocks of a page go on from one another."""
    for path in [PLACE / "README.md", *PLACE.glob("examples/*.md"), *PLACE.glob("docs/**/*.md")]:
        program = "\n".join(text for language, text in FENCE.findall(path.read_text()) if language == "python")
        if program:
            yield path, program
    for path in PLACE.glob("examples/*.py"):
        yield path, path.read_text()
    for path in PLACE.glob("examples/**/*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        yield path, "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


PROGRAMS = {str(path.relative_to(PLACE)): program for path, program in programs()}


def test_the_programs_are_found():
    kinds = {"README.md", "docs/pde-rules.md", "examples/burgers.py", "examples/notebooks/hardware_in_the_loop.ipynb"}
    assert kinds <= set(PROGRAMS) and "import bpfree as bf" in PROGRAMS["docs/index.md"]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_programs_use_public_names(name):
    assert not_public(PROGRAMS[name], PUBLIC) == []


def test_docstrings_use_public_names():
    for name, value in PUBLIC.items():
        examples = doctest.DocTestParser().get_examples(value.__doc__ or "")
        assert not_public("".join(example.source for example in examples), PUBLIC) == [], name


def test_pages_refer_to_public_names():
    """{py:func}`~bpfree.x.y` leads into the reference, which has public names and their members."""
    for path in PLACE.glob("docs/**/*.md"):
        for name in re.findall(r"\{py:\w+\}`(?:[^`<]*<)?~?(bpfree\.[\w.]+)", path.read_text()):
            known = name in PUBLIC or getattr(PUBLIC.get(name.rpartition(".")[0]), name.rpartition(".")[2], None)
            assert known, f"{path.name}: {name} is not public"


def test_what_is_not_public_is_found():
    program = """
import bpfree as bf
import bpfree.screen.plots
from bpfree import pde, emulate as device
from bpfree.pde.network import Network
from bpfree.screen import plots as p
from bpfree.pde import Box, start
bf.train; bf.pde.solve; bf.exporters.onnx.export; bf.errors.FormatError("x").args; pde.Box.dim; device.run_firmware
bf.study.floors; bf.pde.network; pde.jet; device.machine.x; bf.exporters.onnx.onnx_graph; run(bf.hidden).bf.y
"""
    assert not_public(program, PUBLIC) == [
        "line 3: bpfree.screen.plots",
        "line 5: bpfree.pde.network.Network",
        "line 6: bpfree.screen.plots",
        "line 7: bpfree.pde.start",
        "line 9: bpfree.study",
        "line 9: bpfree.pde.network",
        "line 9: bpfree.pde.jet",
        "line 9: bpfree.emulate.machine",
        "line 9: bpfree.exporters.onnx.onnx_graph",
        "line 9: bpfree.hidden",
    ]


def test_dir_shows_the_public_names_and_each_is_said_once():
    assert dir(bpfree) == sorted(bpfree.__all__) and len(set(bpfree.__all__)) == len(bpfree.__all__)
    for name, value in [("bpfree", bpfree), *PUBLIC.items()]:
        if isinstance(value, ModuleType):
            assert set(value.__all__) <= set(dir(value)) and len(set(value.__all__)) == len(value.__all__), name
            assert not any(part.startswith("_") for part in value.__all__ if part != "__version__"), name
