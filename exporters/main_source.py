# SPDX-License-Identifier: MIT
"""main.c, trainer.c and samples.c of an exported training program."""

from __future__ import annotations

from bpfree.exporters.c_text import array, braces, float_literal, rows
from bpfree.graph.c_tables import ModelTables
from bpfree.rng import BLOCK
from bpfree.schedules.table import start_of

SAMPLES = """\
/* Written by bpfree. Samples in flash, walked in shuffled minibatches. */
#include "model.h"

#define DATA __attribute__((section(".bpfree_data")))

{rows}
{targets}
int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{{
  const uint32_t row = bpfree_batch_index({seed}u, step, {batch}, {n}, i);
  (void)user;
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)rows[row * MODEL_FEATURES + k] * {scale};
  {assign}
  return 0;
}}
"""

_TRAINER = """\
/* Written by bpfree. The settings of the run: const, in flash. */
#include "model.h"

{settings}
static const bpfree_link links[] = {links};
{layers}
const bpfree_trainer trainer = {{
  &model, &{estimator}, links, {loss}, sample, 0, {n_links},
  {seed}u /* seed */, {batch} /* batch */, {n_queries} /* n_queries */, {grouping}, {two_sided} /* two_sided */,
  {mu} /* mu */, {clip} /* clip */, {scale} /* scale */, {mu_schedule}, {lr_schedule},
  {layers_pointer} /* layers */, {masks} /* masks */, {mask_refresh} /* mask_refresh */,
  {cycle} /* cycle */
}};
"""

_MAIN = """\
/* Written by bpfree. Trains {steps} steps, sending each step's record and at
 * the end the hash of theta: the same bits as bpfree on a computer. */
#include "model.h"
#include "port.h"

enum {{ STEPS = {steps} }};
enum {{ MARK_STEP = {mark_step}, MARK_STEP_DONE = {mark_done} }};

/* All the RAM of the run. */
float theta[MODEL_THETA], x[MODEL_FEATURES], arena[TRAINER_ARENA], record[TRAINER_RECORD];
#if TRAINER_STATE
float state[TRAINER_STATE];
#else
#define state 0
#endif
#if TRAINER_WORK
float work[TRAINER_WORK];
#else
#define work 0
#endif

int main(void)
{{
  bpfree_context run = {{theta, x, arena, record, state, work, 0}};
  for (uint32_t k = 0; k < MODEL_THETA; k++) theta[k] = model_theta[k];
  int status = bpfree_train_init(&trainer, &run);
  while (status == BPFREE_OK && run.step < STEPS) {{
    port_emit(PORT_MARK, MARK_STEP);
    status = bpfree_step(&trainer, &run);
    port_emit(PORT_MARK, MARK_STEP_DONE);
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
    """main.c; marks are sent before and after each step."""
    return _MAIN.format(steps=steps, mark_step=marks[0], mark_done=marks[1])


def trainer_sizes(tables: ModelTables, trainer) -> list[tuple]:
    """Macros (name, value, comment) of model.h for a training program."""
    groups, each = trainer.estimator.record_shape(trainer.graph)
    return [
        ("TRAINER_ARENA", max(BLOCK, tables.arena.floats(1)), "floats: activations, or a chunk of gradient"),
        ("TRAINER_RECORD", groups * each, "floats of a step's record"),
        ("TRAINER_STATE", trainer.n_state, "floats of the update's state"),
        ("TRAINER_WORK", trainer.n_work, "floats the estimator works in"),
    ]


def trainer(trainer) -> str:
    """trainer.c: the numbers of a Trainer as `const bpfree_trainer trainer`."""
    links, arrays = [], []
    for k, (row, link) in enumerate(zip(trainer.rows["links"], trainer.update.links, strict=True)):
        arrays.append(array(f"static const float settings{k}", map(float_literal, link.settings)))
        links.append(braces((f"&{row.c}", f"settings{k}")))
    schedules = {}
    for name, row in trainer.rows["schedules"].items():
        if row is None:
            schedules[name] = f"{{0, 0}} /* no {name} */"
        else:
            own = trainer.schedules[name].settings
            arrays.append(array(f"static const float {name}_settings", map(float_literal, own)))
            schedules[name] = braces((row.c, f"{name}_settings"))
    own = {"mask_refresh": 1, "cycle": 0, "masks": None, **trainer.estimator.native_settings(trainer.graph)}
    if own["masks"] is not None:
        masks = [braces((count, float_literal(scale))) for count, scale in own["masks"]]
        arrays.append(rows("static const bpfree_mask masks", masks, [part.name for part in trainer.graph.slices]))
    layers = trainer.estimator.layers(trainer.graph, trainer.loss)
    return _TRAINER.format(
        **schedules,
        masks="0" if own["masks"] is None else "masks",
        mask_refresh=own["mask_refresh"],
        cycle=own["cycle"],
        layers=layers_source(layers) if layers else "",
        layers_pointer="&layers" if layers else "0",
        settings="".join(arrays),
        links=braces(links),
        n_links=len(links),
        clip=float_literal(trainer.update.clip),
        loss=trainer.rows["loss"].c,
        estimator=trainer.rows["estimator"].c,
        seed=trainer.seed,
        batch=trainer.batch_size,
        n_queries=trainer.estimator.record_shape(trainer.graph)[1],
        grouping=f"BPFREE_{trainer.estimator.grouping.upper()}",
        two_sided=int(trainer.estimator.two_sided),
        mu=float_literal(start_of(trainer.estimator.mu)),
        scale=float_literal(trainer.estimator.factor(trainer.graph)),
    )


def layers_source(layers, prefix: str = "", kernel_suffix: str = "") -> str:
    """`static const bpfree_layers <prefix>layers` and the arrays it points to.

    kernel_suffix: of one instruction set, where the host's build is meant.
    """
    parts, routes = [], []
    for route in layers.routes:
        elementwise = f"{prefix}elementwise{route.node}" if route.elementwise else 0
        if route.elementwise:
            slopes = [braces((f"{layers.slopes[k][1]}{kernel_suffix}", k)) for k in route.elementwise]
            parts.append(rows(f"static const bpfree_elementwise {elementwise}", slopes))
        column = layers.none if route.column is None else route.column
        routes.append(braces((elementwise, len(route.elementwise), route.node, route.tensor, column)))
    parts.append(rows(f"static const bpfree_route {prefix}routes", routes))
    head = braces((f"&{layers.closed}{kernel_suffix}", f"{prefix}routes", len(routes), int(layers.exact_head)))
    return "".join(parts) + f"static const bpfree_layers {prefix}layers = {head};\n"
