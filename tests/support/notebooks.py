"""Runs the example notebooks; as a program it also keeps what they show.

    python tests/support/notebooks.py                 runs all, in a fresh folder
    python tests/support/notebooks.py --write NAME..  runs these with their full budget and writes their outputs
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""No versions: a notebook changes when its contents do."""


def execute(path, timeout_s=600):
    """The notebook after a run in an empty folder; raises on the first cell that fails or takes too long."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=timeout_s, resources=place, record_timing=False).execute()
    return tidied(notebook)


def tidied(notebook):
    """Without what differs from run to run for no reason of ours: versions, random ids, empty metadata."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    return notebook


def text_of(cell):
    """What a code cell printed."""
    return "".join(output.get("text", "") for output in cell.get("outputs", []))


def main():
    """Run notebooks by name, or all."""
    names = [name for name in sys.argv[1:] if name != "--write"]
    for path in [FOLDER / f"{name.removesuffix('.ipynb')}.ipynb" for name in names] or NOTEBOOKS:
        print(path.name, flush=True)
        notebook = execute(path, timeout_s=None)
        if "--write" in sys.argv[1:]:
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
