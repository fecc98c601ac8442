"""One new row for each table, added to a copy of the checkout exactly as CONTRIBUTING.md says."""

from __future__ import annotations

from pathlib import Path

ROWS = Path(__file__).parent / "recipe"
"""The files that are new, each at its place in a checkout."""


def line(path: str, before: str, new: str):
    """Return the edit of a file that people write: a line in front of one that is there."""
    return path, before, f"{new}\n{before}"


def word(path: str, before: str, new: str):
    """Return the edit that puts a word behind another one."""
    return path, before, f"{before}{new}"


HELPERS, OPS = "tests/support/helpers.py", "bpfree/ops/__init__.py"
UPDATES = "tests/support/update_oracles.py"

RECIPES = {
    "cos": (
        ["bpfree/ops/cos.py", "runtime_c/src/op_cos.c"],
        [
            word(OPS, "    add,\n", "    cos,\n"),
            word(OPS, "        parameter.OP,\n", "        cos.OP,\n"),
            line("tests/support/graph_oracle.py", '    "sigmoid": lambda',
                 '    "cos": lambda inputs, p, a: anp.cos(inputs[0]),'),
        ],
    ),
    "mae": (
        ["bpfree/losses/mae.py", "runtime_c/src/loss_mae.c"],
        [
            word("bpfree/losses/__init__.py", "from bpfree.losses import m", "ae, m"),
            word("bpfree/losses/__init__.py", "mse.LOSS", ", mae.LOSS"),
            line("tests/support/loss_oracles.py", '    "mse": lambda',
                 '    "mae": lambda y, target: np.mean(np.abs(y - target)),'),
        ],
    ),
    "spsa": (
        ["bpfree/estimators/spsa.py", "runtime_c/src/est_spsa.c"],
        [
            word("bpfree/estimators/__init__.py", "node_perturbation, rge, ", "spsa, "),
            word("bpfree/estimators/__init__.py", "        coordinate_descent.ROW,", " spsa.ROW,"),
            line(HELPERS, "from bpfree.estimators.step import", "from bpfree.estimators.spsa import SPSA"),
            line(HELPERS, '    "unit_wise": [', '    "spsa": [SPSA(), SPSA(linear_decay(0.1, steps=3, end=0.01))],'),
        ],
    ),
    "soft_sign": (
        ["bpfree/updates/soft_sign.py", "runtime_c/src/upd_soft_sign.c"],
        [
            word("bpfree/updates/__init__.py", "sgd, sign_sgd, ", "soft_sign, "),
            word("bpfree/updates/__init__.py", "stale.ROW,", "\n    soft_sign.ROW,"),
            line(UPDATES, "from bpfree.updates.stale import", "from bpfree.updates.soft_sign import SoftSign"),
            line(UPDATES, '    "stale": [', '    "soft_sign": [SoftSign(0.02)],'),
            line(UPDATES, '    "adam": adam,',
                 '    "soft_sign": lambda u, g, theta: theta - u.lr * (g / (1 + np.abs(g))).sum(axis=0),'),
        ],
    ),
    "extrapolated": (
        ["bpfree/pde/rules/extrapolated.py"],
        [
            word("bpfree/pde/rules/__init__.py", "import differences, ", "extrapolated, "),
            word("bpfree/pde/rules/__init__.py", "random_directions.ROW", ", extrapolated.ROW"),
            line("bpfree/pde/__init__.py", "from bpfree.pde.rules.precision",
                 "from bpfree.pde.rules.extrapolated import Extrapolated"),
            word("tests/pde/test_rules.py", "import Box, Differences, ", "Extrapolated, "),
            line("tests/pde/test_rules.py", '    "random_directions": [Random',
                 '    "extrapolated": [Extrapolated(0.1)],'),
        ],
    ),
}  # fmt: skip
"""By the name of the row: the files that are new, and the edits (path, text that is there once, text instead)."""


def add(name: str, checkout: Path) -> set[str]:
    """Write a row into a checkout, and return the paths of the files that were written by hand."""
    new, edits = RECIPES[name]
    for path in new:
        (checkout / path).write_text((ROWS / path).read_text())
    for path, before, after in edits:
        text = (checkout / path).read_text()
        assert text.count(before) == 1, f"{path}: expected {before!r} once, got it {text.count(before)} times"
        (checkout / path).write_text(text.replace(before, after))
    return {*new, *(path for path, _, _ in edits)}
