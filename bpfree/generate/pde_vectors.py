# SPDX-License-Identifier: MIT
"""Writes jets of the exact reference engine as C arrays: the text of runtime_c/tests/pde.gen.h."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.engines import ReferenceEngine
from bpfree.exporters.c_text import array, braces, float_literal, rows
from bpfree.generate.vectors import golden_inputs, golden_network
from bpfree.pde.network import Network
from bpfree.pde.rules.table import Stencil
from bpfree.pde.wanted import First, Laplacian, Layout, Second

_NETWORKS = ("dense", "tt", "deep")
_POINTS, _DIRECTIONS, _SEED = 3, 4, 21

_HEAD = """\
/* Jets of the exact reference engine, written by `make generate`. Do not edit. */
#ifndef BPFREE_PDE_GEN_H
#define BPFREE_PDE_GEN_H

#include "vectors.gen.h"

#define BPFREE_JET(number, name) void bpfree_jet_##name##_scalar(const bpfree_jets *, const bpfree_node *);
#include "bpfree/jets.gen.def"
#undef BPFREE_JET

#define GOLDEN_POINTS {points}u

/* Jets at the first samples of a golden network. */
typedef struct golden_jet {{
  const char *name;
  const golden_network *network;
  const bpfree_jet *through; /* (n_nodes) */
  bpfree_streams streams;
  const float *jet; /* (GOLDEN_POINTS, streams, outputs) */
}} golden_jet;
"""


def jets_header() -> str:
    """Return the text of tests/pde.gen.h."""
    texts, table = [_HEAD.format(points=_POINTS)], []
    for name in _NETWORKS:
        graph, theta, frozen = golden_network(name)
        network = Network(graph, frozen, ReferenceEngine(exact=True))
        through = [f"bpfree_jet_{node.op.name}_scalar" for node in graph.nodes]
        texts.append(array(f"static const bpfree_jet {name}_through", through))
        for how, layout in _layouts(graph.input.size).items():
            prefix = f"{name}_{how}_"
            value, rest = network.jets(theta, golden_inputs(graph.input.size)[:_POINTS], Stencil(layout))
            jets = np.concatenate([value[:, None], rest], axis=1).transpose(2, 1, 0)
            text, streams = _streams_text(layout.streams, prefix)
            texts += [text, array(f"static const float {prefix}jet", map(float_literal, jets.ravel()))]
            row = (f'"{name}, {how}"', f"&{name}_network", f"{name}_through", streams, f"{prefix}jet")
            table.append(f"  {braces(row)},")
    end = "static const golden_jet golden_jets[] = {\n" + "\n".join(table) + "\n};\n"
    return "\n".join([*texts, end, "#endif\n"])


def _layouts(dim):
    """Return two layouts by name: derivatives by coordinates, and along directions of any length."""
    columns = tuple(range(dim - 1))
    vectors = rng.uniform(_SEED, 0, _DIRECTIONS * dim).reshape(_DIRECTIONS, dim) - np.float32(0.5)
    first = [First(i) for i in range(dim)]
    return {
        "coordinates": Layout([*first, Laplacian(columns), Second(0, dim - 1)], dim),
        "directions": Layout([First(1), Laplacian(columns), Second(0, 1)], dim, {columns: vectors}),
    }


def _streams_text(streams, prefix):
    """Return the C arrays of streams, and the initialiser of a bpfree_streams in braces."""
    parts, forms, directions = [], [], "NULL"
    for k, (terms, first, count) in enumerate(streams.form_rows()):
        if terms is not None:
            parts.append(rows(f"static const bpfree_term {prefix}terms{k}", (_term(*term) for term in terms)))
        forms.append(braces(("NULL" if terms is None else f"{prefix}terms{k}", first, count)))
    parts.append(rows(f"static const bpfree_form {prefix}forms", forms))
    if not streams.by_coordinates:
        directions = f"{prefix}directions"
        parts.append(array(f"static const float {directions}", map(float_literal, streams.directions.ravel())))
    return "\n".join(parts), braces((directions, f"{prefix}forms", streams.n_first, len(forms)))


def _term(a, b, c):
    return braces((a, b, float_literal(c)))
