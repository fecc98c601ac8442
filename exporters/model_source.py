# SPDX-License-Identifier: MIT
"""A model's tables as C: its header and tables in a firmware, and the tables of the C tests."""

from __future__ import annotations

from bpfree.exporters.c_text import array, braces, float_literal, macros, rows, section
from bpfree.exporters.names import Names
from bpfree.graph import Graph
from bpfree.graph.c_tables import ModelTables, SliceRow

_HEADER = """\
/* The model's tables, sizes and initial parameters. */
#ifndef {guard}
#define {guard}

#include "bpfree/bpfree.h"

{sizes}
extern const bpfree_model {model};
extern const float {theta}[{n_theta}]; /* initial parameters, in flash */
{training}
{sample_comment}
int {sample}(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y);

#endif
"""

_OF_TRAINING = """\
extern const bpfree_trainer {trainer}; /* the settings of the run */
"""
_TEXT_OF_SETTINGS = """\
extern const uint8_t {settings}[{size}]; /* the same as text, for a journal */
"""
_IN_TRAINING = "/* Sample i of the minibatch of a step: a bpfree_sample_fn, see bpfree/train.h. */"
_IN_INFERENCE = "/* Sample i, of those to be predicted, at step 0: a bpfree_sample_fn, see bpfree/train.h. */"

_SOURCE = """\
/* Kernels are named here, so those not used are not linked. */
#include "{header}"

{section}
{arrays}
{theta}
const bpfree_model {model} = {tables};
"""


def header(tables: ModelTables, sizes, names: Names, *, trains: bool, logged: bool) -> str:
    """The model's header: every size as a macro. sizes: (name, value, comment) besides those of the model."""
    plan = tables.arena
    bound = f"floats of activations; no plan needs fewer than {plan.lower_bound}"
    own = [
        (names.macro("FEATURES"), tables.features, "floats of a sample"),
        (names.macro("OUTPUTS"), tables.outputs, "floats of a result"),
        (names.macro("THETA"), tables.n_theta, "trainable parameters"),
        (names.macro("ARENA"), plan.floats(1), bound),
    ]
    training = _OF_TRAINING.format(trainer=names.trainer) if trains else ""
    if logged:
        training += _TEXT_OF_SETTINGS.format(settings=names.settings, size=names.of_trainer("SETTINGS"))
    return _HEADER.format(
        guard=f"{names.name.upper()}_H", sizes=macros([*own, *sizes]), model=names.model, theta=names.theta,
        n_theta=names.macro("THETA"), training=training, sample=names.sample,
        sample_comment=_IN_TRAINING if trains else _IN_INFERENCE,
    )  # fmt: skip


def source(graph: Graph, tables: ModelTables, theta, frozen, names: Names) -> str:
    """The model's tables."""
    prefix = f"{names.name}_"
    n_theta = names.macro("THETA")
    return _SOURCE.format(
        header=names.files["header"],
        section=section("WEIGHTS", ".rodata.bpfree_weights"),
        arrays=table_arrays(graph, tables, frozen, prefix, weights="WEIGHTS"),
        theta=array(f"const float {names.theta}", map(float_literal, theta), "WEIGHTS", n_theta),
        model=names.model,
        tables=initialiser(tables, prefix),
    )


def table_arrays(
    graph: Graph, tables: ModelTables, frozen, prefix: str, *, kernel_suffix: str = "", weights: str = ""
) -> str:
    """The arrays a bpfree_model points to, named `<prefix>nodes` and so on.

    kernel_suffix: of one instruction set, where the host's build is meant.
    weights: attribute of the array of constants.
    """
    parts, nodes, inputs = [], [], []
    for k, row in enumerate(tables.nodes):
        attributes = f"{prefix}attributes{k}" if row.attributes else 0
        if row.attributes:
            parts.append(array(f"static const uint32_t {attributes}", row.attributes))
        place = (row.output, row.first_slice, row.n_slices, row.scratch, row.piece)
        reads = f"{prefix}inputs + {len(inputs)}" if row.inputs else 0
        nodes.append(braces((f"{row.kernel}{kernel_suffix}", attributes, reads, len(row.inputs), *place)))
        inputs += row.inputs
    slices = tables.slices or (SliceRow(0, 0, 0, 0, 1, 0),)
    names = [part.name for part in graph.slices] or ["none"]
    parts += [
        array(f"static const uint32_t {prefix}inputs", inputs),
        rows(f"static const bpfree_node {prefix}nodes", nodes, [node.name for node in graph.nodes]),
        rows(f"static const bpfree_tensor {prefix}tensors", map(braces, tables.tensors), _names(graph.tensors)),
        rows(f"static const bpfree_slice {prefix}slices", map(braces, slices), names),
        array(f"static const float {prefix}frozen", map(float_literal, frozen), weights),
    ]
    return "\n".join(parts)


def initialiser(tables: ModelTables, prefix: str) -> str:
    """The braces of a bpfree_model over table_arrays of the same prefix."""
    pointers = [f"{prefix}{table}" for table in ("nodes", "tensors", "slices", "frozen")]
    counts = (len(tables.nodes), len(tables.tensors), len(tables.slices), tables.n_theta, tables.n_frozen)
    digest = braces((f"0x{tables.hash & 0xFFFFFFFF:08x}u", f"0x{tables.hash >> 32:08x}u"))
    return braces((*pointers, *counts, 0, tables.output, tables.arena.per_sample, tables.arena.fixed, digest))


def _names(tensors) -> list[str]:
    return [tensor.name for tensor in tensors]
