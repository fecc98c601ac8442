"""The example notebooks: they run, and their stored outputs are complete."""

import re

import pytest

pytest.importorskip("nbclient", reason="nbclient missing: pip install nbclient ipykernel")

import nbformat
from notebooks import FOLDER, NOTEBOOKS, execute, text_of, tidied

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
NEEDS = {
    "digits_to_microcontroller": ("matplotlib", "ziglang", "unicorn", "elftools"),
    "hardware_in_the_loop": ("matplotlib",),
    "hjb_in_five_minutes": ("matplotlib",),
    "mnist_in_forward_passes": ("matplotlib",),
}
DATA = {"mnist_in_forward_passes": pytest.mark.data("mnist")}
SHORT = {"BPFREE_FORWARDS": "400000"}
"""Environment variables that shorten notebooks which would train for minutes."""


def test_the_four_are_there():
    assert {path.stem for path in NOTEBOOKS} == set(NEEDS)


@every_notebook
def test_told_in_five_to_eight_sections_with_pictures(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith("# ") and 5 <= len(re.findall("^## ", text, re.MULTILINE)) <= 8
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert max(len(cell.source.splitlines()) for cell in code) <= 30
    pictures = [o for cell in code for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 2 and path.stat().st_size < 400_000


@every_notebook
def test_outputs_are_kept_complete_and_tidy(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1)), "python tests/support/notebooks.py --write"
    outputs = [output for cell in code for output in cell.outputs]
    assert all(o.output_type != "error" and o.get("name") != "stderr" for o in outputs)
    assert not re.search(r"/(tmp|home|root|Users)/", path.read_text())
    assert nbformat.writes(tidied(notebook)).strip() == path.read_text().strip()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", [pytest.param(p, marks=DATA.get(p.stem, ()), id=p.stem) for p in NOTEBOOKS])
def test_runs(path, monkeypatch):
    for package in NEEDS[path.stem]:
        pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate,plot]"')
    for name, value in SHORT.items():
        monkeypatch.setenv(name, value)
    before = nbformat.read(path, as_version=4)
    after = execute(path, timeout_s=300)
    same = [k for k, cell in enumerate(before.cells) if "same-everywhere" in cell.metadata.get("tags", ())]
    for k in same:
        assert text_of(after.cells[k]) == text_of(before.cells[k]) != ""
    assert bool(same) == path.stem.startswith("digits")


def test_the_readme_lists_every_example():
    folder = FOLDER.parent
    examples = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".py", ".ipynb")}
    listed = set(re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text()))
    assert {name for name in listed if not name.startswith("http")} == examples
