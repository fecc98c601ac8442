# SPDX-License-Identifier: MIT
"""Routes: what a device needs of a graph to look into its layers, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.losses import LOSSES
from bpfree.native.structs import Array, Struct, Symbol


@dataclass(frozen=True)
class Route:
    """From a trained node y = W x + b to where the derivative of the loss is found; numbers of nodes and tensors.

    elementwise: the elementwise nodes behind it, the last first. tensor: what the last of
    them makes. column: the node that alone reads it, where that is linear too; else None.
    """

    node: int
    elementwise: tuple[int, ...]
    tensor: int
    column: int | None

    def start(self, graph) -> int:
        """The tensor that a probe of a unit changes."""
        return self.tensor if self.column is None else graph.nodes[self.column].output


def trained(graph) -> list:
    """Nodes with a trainable parameter, of all of which layer access has to know how they depend on it."""
    nodes = with_trained_slices(graph)
    for node in nodes:
        if node.op.layer is None:
            expected = "an operation that has a `layer`, as this estimator looks into what it trains"
            ways = f"take a black-box estimator such as bpfree.RGE(), or model.freeze({node.name + '.*'!r})"
            raise ValueError(f"{node.label}: expected {expected}, got one without: {ways}")
    return nodes


def with_trained_slices(graph) -> list:
    """Nodes with a trainable parameter, of any operations."""
    return [node for node in graph.nodes if not all(part.frozen for part in graph.slices_of(node))]


def end_of(graph, tensor: int) -> int:
    """The last tensor of the elementwise operations that follow a tensor and that nothing else reads."""
    path = path_behind(graph, tensor)
    return path[-1].output if path else tensor


def readers(graph, tensor: int) -> list:
    """The nodes that read a tensor."""
    return [node for node in graph.nodes if tensor in node.inputs]


def only_linear(graph, tensor: int):
    """The node that reads a tensor, where it is the only one and linear in it; else None."""
    feeds = readers(graph, tensor)
    return feeds[0] if len(feeds) == 1 and feeds[0].op.layer and feeds[0].op.layer.matrix else None


def routes_of(graph) -> tuple[Route, ...]:
    """One for every trained node, the last node first."""
    number = {node.output: k for k, node in enumerate(graph.nodes)}
    routes = []
    for node in reversed(trained(graph)):
        elementwise = [number[step.output] for step in reversed(path_behind(graph, node.output))]
        tensor = end_of(graph, node.output)
        column = only_linear(graph, tensor)
        routes.append(Route(number[node.output], tuple(elementwise), tensor, column and number[column.output]))
    return tuple(routes)


def settings_of(graph, loss, exact_head: bool) -> Struct:
    """`bpfree_unit_wise`."""
    rows = []
    for route in routes_of(graph):
        ops = [(k, graph.nodes[k].op) for k in route.elementwise]
        slopes = tuple({"slope": Symbol("slope", op.number, op.elementwise.slope), "node": k} for k, op in ops)
        column = len(graph.nodes) if route.column is None else route.column
        own = {"elementwise": Array("bpfree_elementwise", slopes), "n_elementwise": len(slopes)}
        rows.append({**own, "node": route.node, "tensor": route.tensor, "column": column, **_layers(graph, route)})
    closed = Symbol("closed", LOSSES.number(loss), loss.closed)
    routes = {"routes": Array("bpfree_route", tuple(rows)), "n_routes": len(rows)}
    return Struct("bpfree_unit_wise", {"loss": closed, **routes, "exact_head": int(exact_head)})


def _layers(graph, route) -> dict:
    """What C looks into the layers of a route by, where these are not dense."""
    ops = {"layer": graph.nodes[route.node].op, "behind": route.column and graph.nodes[route.column].op}
    found = {name: op for name, op in ops.items() if op and not op.layer.dense}
    return {name: Symbol("layer", op.number, op.layer.device.c) for name, op in found.items()}


def closed_layer(graph) -> str | None:
    """The first node that no device can look into, in words; None if there is none."""
    columns = [graph.nodes[route.column] for route in routes_of(graph) if route.column is not None]
    needed = [node for node in [*trained(graph), *columns] if not node.op.layer.dense and not node.op.layer.device]
    return needed[0].label if needed else None


def runs_again(graph) -> bool:
    """Whether a unit is followed through more than the layer that gives the scores."""
    return any(route.start(graph) != graph.nodes[-1].output for route in routes_of(graph))


def made_of_others(graph) -> str | None:
    """The first trained node whose parameters are not W and b themselves, in words; None if there is none."""
    return next((node.label for node in trained(graph) if not node.op.layer.dense), None)


def kept(graph) -> frozenset[int]:
    """Tensors that must outlive a pass: inputs of trained nodes, what slopes read, what a probe starts from."""
    keep = set()
    for route in routes_of(graph):
        keep.update(graph.nodes[route.node].inputs)
        for node in (graph.nodes[k] for k in route.elementwise):
            keep.update({"x": node.inputs, "y": (node.output,), "": ()}[node.op.elementwise.reads])
        start = route.start(graph)
        if start != graph.nodes[-1].output:
            keep |= _crossing(graph, start)
    return frozenset(keep - {0})


def _crossing(graph, start: int) -> set[int]:
    """Tensors made before or at this one's node that a node after it reads."""
    first = next(k for k, node in enumerate(graph.nodes) if node.output == start) + 1
    later = {node.output for node in graph.nodes[first:]}
    return {tensor for node in graph.nodes[first:] for tensor in node.inputs} - later


def path_behind(graph, tensor: int) -> list:
    """The elementwise nodes that follow a tensor and that nothing else reads."""
    path = []
    while tensor != graph.nodes[-1].output:
        feeds = readers(graph, tensor)
        if len(feeds) != 1 or feeds[0].op.elementwise is None:
            break
        path.append(feeds[0])
        tensor = feeds[0].output
    return path
