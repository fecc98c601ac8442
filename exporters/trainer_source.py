# SPDX-License-Identifier: MIT
"""trainer.c of an exported training program, and the sizes that its buffers have."""

from __future__ import annotations

from bpfree.exporters.c_text import array, braces, designated, float_literal, struct
from bpfree.exporters.names import Names
from bpfree.graph.c_tables import ModelTables
from bpfree.rng import BLOCK
from bpfree.schedules.table import start_of

_TRAINER = """\
/* The settings of the run: const, in flash. */
#include "{header}"

{arrays}
const bpfree_trainer {trainer} = {{
{fields}}};
"""


MODEL = Names()


def trainer_sizes(tables: ModelTables, trainer, names: Names = MODEL) -> list[tuple]:
    """Macros (name, value, comment) of the model's header for a training program."""
    groups, each = trainer.estimator.record_shape(trainer.graph)
    return [
        (names.of_trainer("ARENA"), max(BLOCK, tables.arena.floats(1)), "floats: activations, or a chunk of gradient"),
        (names.of_trainer("RECORD"), groups * each, "floats of a step's record"),
        (names.of_trainer("STATE"), trainer.n_state, "floats of the update's state"),
        (names.of_trainer("WORK"), trainer.n_work, "floats the estimator works in"),
    ]


def source(trainer, limit: float = 0.0, names: Names = MODEL, logged: bool = False) -> str:
    """trainer.c: the numbers of a Trainer as `const bpfree_trainer trainer`; what is not named there is 0.

    limit: the size of coefficients up to which no update overflows, 0 where none is known. logged: with the text of
    its settings, which a journal begins with.
    """
    row, estimator, arrays, links = trainer.rows["estimator"], trainer.estimator, "", []
    for k, (link_row, link) in enumerate(zip(trainer.rows["links"], trainer.update.links, strict=True)):
        arrays += array(f"static const float settings{k}", map(float_literal, link.settings))
        links.append(designated({"update": f"&{link_row.c}", "settings": f"settings{k}"}))
    arrays += f"static const bpfree_link links[] = {braces(links)};\n"
    fields = {
        "model": f"&{names.model}",
        "estimator": f"&{row.c}",
        "links": "links",
        "loss": trainer.rows["loss"].c,
        "sample": names.sample,
        "n_links": len(links),
        "seed": f"{trainer.seed}u",
        "batch": trainer.batch_size,
        "n_queries": trainer.record_shape[1],
        "two_sided": int(estimator.two_sided),
        "mu": float_literal(start_of(estimator.mu)),
        "clip": float_literal(trainer.update.clip),
        "scale": float_literal(row.device.scale(estimator, trainer.graph)),
    }
    if trainer.weighted:
        fields["weighted"] = 1
    if limit:
        fields["coefficient_limit"] = float_literal(limit)
    own = row.device.settings(estimator, trainer.graph, trainer.loss)
    if own is not None:
        arrays += struct(own, row.name)
        fields["settings"] = f"&{row.name}"
    for name, schedule in ((name, row) for name, row in trainer.rows["schedules"].items() if row):
        values = trainer.schedules[name].settings
        arrays += array(f"static const float {name}_settings", map(float_literal, values))
        fields[name] = designated({"factor": schedule.c, "settings": f"{name}_settings"})
    if logged:  # as numbers: compilers need not take string literals of more than 4095 characters
        arrays += array(f"const uint8_t {names.settings}", trainer.settings().encode())
    return _TRAINER.format(
        header=names.files["header"],
        trainer=names.trainer,
        arrays=arrays,
        fields="".join(f"  .{name} = {text},\n" for name, text in fields.items()),
    )
