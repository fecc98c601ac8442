# SPDX-License-Identifier: MIT
"""A model as data: its graph, the layers it is written in, its arena, and the tables that C reads."""

from __future__ import annotations

from bpfree.graph.graph import INPUT, SCHEMA, Graph, Node, Piece, Row, Slice, Tensor, fnv1a64, layout, theta_hash
