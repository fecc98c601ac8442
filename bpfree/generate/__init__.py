# SPDX-License-Identifier: MIT
"""Generates the files in which C reads the tables, the vectors of its tests and the manifests of packages.

`make generate` writes them. They are committed; tests/generate/ fails when one is stale.
"""

from __future__ import annotations

from pathlib import Path

from bpfree.estimators import ESTIMATORS
from bpfree.generate.journal_vectors import journal_header
from bpfree.generate.packages import package_files
from bpfree.generate.pde_vectors import jets_header
from bpfree.generate.sections import sectioned_files
from bpfree.generate.sketch import sketch_files
from bpfree.generate.vectors import vectors_header
from bpfree.losses import LOSSES
from bpfree.ops import OPS
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES
from bpfree.schedules import SCHEDULES
from bpfree.updates import UPDATES

_TABLES = (
    ("OP", OPS, "ops"),
    ("LOSS", LOSSES, "losses"),
    ("ESTIMATOR", ESTIMATORS, "estimators"),
    ("UPDATE", UPDATES, "updates"),
    ("SCHEDULE", SCHEDULES, "schedules"),
    ("RULE", RULES, "pde/rules"),
    ("RESIDUAL", PROBLEMS, "pde/problems"),
)
"""(macro, table, folder of its rows below bpfree) of each table that C reads."""


def generated_files() -> dict[str, str]:
    """Return the text of every generated file, by its path below the checkout."""
    files = sectioned_files()
    for macro, table, where in _TABLES:
        lines = [f"/* The rows of bpfree/{where}, written by `make generate`. Do not edit. */"]
        lines += [f"BPFREE_{macro}({row.number}, {row.name})" for row in table if isinstance(row.c, str)]
        files[f"runtime_c/include/bpfree/{Path(where).name}.gen.def"] = "\n".join(lines) + "\n"
    kernels = [row for row in OPS if isinstance(row.c, str)]
    facets = (
        ("SLOPE", "slopes", "a derivative", [row for row in kernels if row.elementwise]),
        ("LAYER_ROW", "layers", "a layer to look into", [row for row in kernels if row.layer and row.layer.device]),
        ("JET", "jets", "a jet", [row for row in kernels if row.has_jet]),
    )
    for macro, name, what, rows in facets:
        lines = [f"/* The rows of bpfree/ops that have {what}, written by `make generate`. Do not edit. */"]
        lines += [f"BPFREE_{macro}({row.number}, {row.name})" for row in rows]
        files[f"runtime_c/include/bpfree/{name}.gen.def"] = "\n".join(lines) + "\n"
    files |= package_files() | sketch_files()
    files["runtime_c/tests/vectors.gen.h"] = vectors_header()
    files["runtime_c/tests/journal.gen.h"] = journal_header()
    files["runtime_c/tests/pde.gen.h"] = jets_header()
    return files
