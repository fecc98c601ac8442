# SPDX-License-Identifier: MIT
"""main.c, trainer.c and samples.c of an exported training program."""

from __future__ import annotations

from bpfree.estimators.step import MOST_SKIPPED
from bpfree.exporters.c_text import array, braces, designated, float_literal, struct
from bpfree.graph.c_tables import ModelTables
from bpfree.rng import BLOCK
from bpfree.schedules.table import start_of

SAMPLES = """\
/* Samples in flash, walked in shuffled minibatches. */
#include "model.h"

#define DATA __attribute__((section(".rodata.bpfree_data")))

{rows}
{targets}
{weights}int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{{
  const uint32_t row = bpfree_batch_index({seed}u, step, {batch}, {n}, i);
  (void)user;
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)rows[row * MODEL_FEATURES + k] * {scale};
  {assign}
{weigh}  return 0;
}}
"""

_TRAINER = """\
/* The settings of the run: const, in flash. */
#include "model.h"

{arrays}
const bpfree_trainer trainer = {{
{fields}}};
"""

_MAIN = """\
/* Trains {steps} steps, sending each step's record and at
 * the end the hash of theta: the same bits as bpfree on a computer. A step whose
 * sample cannot be had, or whose losses or update are not finite, is skipped and
 * marked, without a record; MOST_SKIPPED in a row end the run. */
#include "model.h"
#include "port.h"

enum {{ STEPS = {steps} }};
enum {{ MARK_STEP = {mark_step}, MARK_STEP_DONE = {mark_done}, MARK_SKIPPED = {mark_skipped} }};
enum {{ MOST_SKIPPED = {most_skipped} }};

/* All the RAM of the run. */
float theta[MODEL_THETA], x[MODEL_FEATURES], arena[TRAINER_ARENA], record[TRAINER_RECORD];
#if TRAINER_STATE
float state[TRAINER_STATE];
#endif
#if TRAINER_WORK
float work[TRAINER_WORK];
#endif

int main(void)
{{
  bpfree_context run = {{
    .theta = theta,
    .x = x,
    .arena = arena,
    .coefficients = record,
#if TRAINER_STATE
    .state = state,
#endif
#if TRAINER_WORK
    .work = work,
#endif
    .theta_floats = MODEL_THETA,
    .x_floats = MODEL_FEATURES,
    .arena_floats = TRAINER_ARENA,
    .coefficient_floats = TRAINER_RECORD,
    .state_floats = TRAINER_STATE,
    .work_floats = TRAINER_WORK,
  }};
  for (uint32_t k = 0; k < MODEL_THETA; k++) theta[k] = model_theta[k];
  int status = bpfree_train_init(&trainer, &run);
  uint32_t skipped = 0; /* in a row */
  while (status == BPFREE_OK && run.step < STEPS) {{
    port_emit(PORT_MARK, MARK_STEP);
    status = bpfree_step(&trainer, &run);
    port_emit(PORT_MARK, MARK_STEP_DONE);
    if (status != BPFREE_OK && ++skipped < MOST_SKIPPED) {{
      status = bpfree_skip(&trainer, &run);
      port_emit(PORT_MARK, MARK_SKIPPED);
      continue;
    }}
    skipped = 0;
    for (uint32_t k = 0; status == BPFREE_OK && k < TRAINER_RECORD; k++) {{
      union {{
        float value;
        uint32_t bits;
      }} word = {{record[k]}};
      port_emit(PORT_WORD, word.bits);
    }}
  }}
  const uint64_t hash = bpfree_hash(theta, MODEL_THETA);
  port_emit(PORT_HASH, (uint32_t)hash);
  port_emit(PORT_HASH, (uint32_t)(hash >> 32));
  return status;
}}
"""


def main(steps: int, marks) -> str:
    """main.c; marks are sent before and after each step, and behind one that was skipped."""
    marks = dict(zip(("mark_step", "mark_done", "mark_skipped"), marks, strict=True))
    return _MAIN.format(steps=steps, most_skipped=MOST_SKIPPED, **marks)


def trainer_sizes(tables: ModelTables, trainer) -> list[tuple]:
    """Macros (name, value, comment) of model.h for a training program."""
    groups, each = trainer.estimator.record_shape(trainer.graph)
    return [
        ("TRAINER_ARENA", max(BLOCK, tables.arena.floats(1)), "floats: activations, or a chunk of gradient"),
        ("TRAINER_RECORD", groups * each, "floats of a step's record"),
        ("TRAINER_STATE", trainer.n_state, "floats of the update's state"),
        ("TRAINER_WORK", trainer.n_work, "floats the estimator works in"),
    ]


def trainer(trainer, limit: float = 0.0) -> str:
    """trainer.c: the numbers of a Trainer as `const bpfree_trainer trainer`; what is not named there is 0.

    limit: the size of coefficients up to which no update overflows, 0 where none is known.
    """
    row, estimator, arrays, links = trainer.rows["estimator"], trainer.estimator, "", []
    for k, (link_row, link) in enumerate(zip(trainer.rows["links"], trainer.update.links, strict=True)):
        arrays += array(f"static const float settings{k}", map(float_literal, link.settings))
        links.append(designated({"update": f"&{link_row.c}", "settings": f"settings{k}"}))
    arrays += f"static const bpfree_link links[] = {braces(links)};\n"
    fields = {
        "model": "&model",
        "estimator": f"&{row.c}",
        "links": "links",
        "loss": trainer.rows["loss"].c,
        "sample": "sample",
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
    return _TRAINER.format(arrays=arrays, fields="".join(f"  .{name} = {text},\n" for name, text in fields.items()))
