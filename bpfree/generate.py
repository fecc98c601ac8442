# SPDX-License-Identifier: MIT
"""Writes what C reads of the tables, and its test vectors: `python -m bpfree.generate` (or `make generate`).

The results are committed; tests/test_generated.py fails when one is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bpfree.estimators import ESTIMATORS
from bpfree.journal_vectors import journal_header
from bpfree.losses import LOSSES
from bpfree.ops import OPS
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES
from bpfree.pde_vectors import jets_header
from bpfree.schedules import SCHEDULES
from bpfree.updates import UPDATES
from bpfree.vectors import vectors_header

_TABLES = (
    ("OP", OPS, "ops"),
    ("LOSS", LOSSES, "losses"),
    ("ESTIMATOR", ESTIMATORS, "estimators"),
    ("UPDATE", UPDATES, "updates"),
    ("SCHEDULE", SCHEDULES, "schedules"),
    ("RULE", RULES, "pde/rules"),
    ("RESIDUAL", PROBLEMS, "pde/problems"),
)
"""Macro, table and where its rows are, below bpfree."""


def generated_files() -> dict[str, str]:
    """Text of every generated file, by path below runtime_c."""
    files = {}
    for macro, table, where in _TABLES:
        lines = [f"/* The rows of bpfree/{where}, written by `make generate`. Do not edit. */"]
        lines += [f"BPFREE_{macro}({row.number}, {row.name})" for row in table if isinstance(row.c, str)]
        files[f"include/bpfree/{Path(where).name}.gen.def"] = "\n".join(lines) + "\n"
    lines = ["/* The rows of bpfree/ops that have a derivative, written by `make generate`. Do not edit. */"]
    lines += [f"BPFREE_SLOPE({row.number}, {row.name})" for row in OPS if row.slope]
    files["include/bpfree/slopes.gen.def"] = "\n".join(lines) + "\n"
    files["tests/vectors.gen.h"] = vectors_header()
    files["tests/journal.gen.h"] = journal_header()
    files["tests/pde.gen.h"] = jets_header()
    return files


def main() -> int:
    """Write the files that changed."""
    root = Path(__file__).resolve().parent.parent / "runtime_c"
    for name, text in generated_files().items():
        path = root / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(root.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
