# SPDX-License-Identifier: MIT
"""model.h and model.c: the tables of one model, naming its kernels directly."""

from __future__ import annotations

from bpfree.exporters.c_text import array, float_literal, macros
from bpfree.tables import ModelTables

_HEADER = """\
/* Written by bpfree. The model's tables, sizes and initial parameters. */
#ifndef MODEL_H
#define MODEL_H

#include "bpfree/bpfree.h"

{sizes}
extern const bpfree_model model;
extern const float model_theta[MODEL_THETA]; /* initial parameters, in flash */
extern const bpfree_trainer trainer;         /* the settings of the run */

/* Sample i of the minibatch of a step: a bpfree_sample_fn, see bpfree/train.h. */
int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y);

#endif
"""

_SOURCE = """\
/* Written by bpfree. Kernels are named here, so those not used are not linked. */
#include "model.h"

{attributes}
static const bpfree_node nodes[{n_nodes}] = {{
{nodes}}};

static const bpfree_tensor tensors[{n_tensors}] = {{
{tensors}}};

static const bpfree_slice slices[{n_slices}] = {{
{slices}}};

#define WEIGHTS __attribute__((section(".bpfree_weights")))

{frozen}
{theta}
const bpfree_model model = {{
  nodes, tensors, slices, frozen, {n_nodes}, {n_tensors}, {n_slices}, MODEL_THETA, {n_frozen},
  0, {output}, {arena_sample}, {arena_fixed}, {{{hash_low:#010x}u, {hash_high:#010x}u}}
}};
"""


def header(tables: ModelTables, trainer_sizes) -> str:
    """model.h: every size as a macro."""
    plan = tables.plan
    sizes = [
        ("MODEL_FEATURES", tables.features, "floats of a sample"),
        ("MODEL_OUTPUTS", tables.outputs, "floats of a result"),
        ("MODEL_THETA", tables.n_theta, "trainable parameters"),
        ("MODEL_ARENA", plan.floats(1), f"floats of activations; no plan needs fewer than {plan.lower_bound}"),
    ]
    return _HEADER.format(sizes=macros([*sizes, *trainer_sizes]))


def source(tables: ModelTables, theta, frozen, names) -> str:
    """model.c; names are (node names, tensor names, slice names) for the comments."""
    node_names, tensor_names, slice_names = names
    attributes = "".join(
        array(f"static const uint32_t attributes{k}", row.attributes, 16)
        for k, row in enumerate(tables.nodes)
        if row.attributes
    )
    nodes = "".join(
        f"  {{{row.kernel}, {f'attributes{k}' if row.attributes else '0'}, {_inputs(row.inputs)}, {row.output}, "
        f"{row.first_slice}, {row.n_slices}, {row.scratch}}}, /* {name} */\n"
        for k, (row, name) in enumerate(zip(tables.nodes, node_names, strict=True))
    )
    slices = tables.slices or ((0, 0, 0, 0, 1),)
    return _SOURCE.format(
        attributes=attributes,
        nodes=nodes,
        tensors=_rows(tables.tensors, tensor_names),
        slices=_rows(slices, slice_names or ("none",)),
        frozen=array("static const float frozen", map(float_literal, frozen)).replace(" = {", " WEIGHTS = {", 1),
        theta=array("const float model_theta", map(float_literal, theta))
        .replace(f"[{len(theta)}]", "[MODEL_THETA]", 1)
        .replace(" = {", " WEIGHTS = {", 1),
        n_nodes=len(tables.nodes),
        n_tensors=len(tables.tensors),
        n_slices=len(slices),
        n_frozen=tables.n_frozen,
        output=tables.output,
        arena_sample=tables.plan.per_sample,
        arena_fixed=tables.plan.fixed,
        hash_low=tables.hash & 0xFFFFFFFF,
        hash_high=tables.hash >> 32,
    )


def _inputs(inputs) -> str:
    return "{" + ", ".join(str(tensor) for tensor in inputs) + "}"


def _rows(rows, names) -> str:
    return "".join(
        f"  {{{', '.join(map(str, row))}}}, /* {name} */\n" for row, name in zip(rows, names, strict=True)
    )
