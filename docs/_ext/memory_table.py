# SPDX-License-Identifier: MIT
"""The directive `{memory-table}`: RAM and flash by estimator and update, from the rows that `bpfree bench memory` wrote."""

from __future__ import annotations

import json
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

ROWS = Path(__file__).parents[1] / "figures" / "memory.json"


def table(rows: list[dict]) -> list[str]:
    """Return the lines of a MyST table: RAM and flash, in bytes, of an estimator by update."""
    bytes_of = {(*row["case"].partition("@")[0].split("+"), row["metric"]): row["value"] for row in rows}
    updates = list(dict.fromkeys(update for _, update, _ in bytes_of))
    lines = [f"| | {' | '.join(updates)} |", "|---|" + "--:|" * len(updates)]
    for estimator in dict.fromkeys(estimator for estimator, _, _ in bytes_of):
        cells = (
            f"{bytes_of[estimator, update, 'total_ram_bytes']:,} + {bytes_of[estimator, update, 'flash_bytes']:,}"
            for update in updates
        )
        lines.append(f"| {estimator} | {' | '.join(cells)} |")
    return [*lines, "", f"RAM + flash, {rows[0]['reference']}."]


class _MemoryTable(SphinxDirective):
    def run(self):
        return self.parse_text_to_nodes("\n".join(table([json.loads(line) for line in ROWS.read_text().splitlines()])))


def setup(app):
    """Add the directive."""
    app.add_directive("memory-table", _MemoryTable)
    return {"parallel_read_safe": True}
