# SPDX-License-Identifier: MIT
"""The rival: back-propagation and Adam in PyTorch, from the same weights on the same minibatches.

Made as fast as PyTorch goes on a CPU without a compiler: fused Adam, minibatches
gathered by PyTorch, order and schedule computed before the clock starts, no
input gradient. A tensor-train layer is contracted in one of three ways, and each
layer takes the one that is fastest here, measured before the clock starts.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional

from bpfree.model import Model

REPETITIONS = 7
"""Of timing a way of contraction; the fastest repetition counts."""


def sweep(x, cores, bias):
    """Core by core from the left, W never built; samples last inside: (parts, r i, rest n) -> (parts, o r', rest n)."""
    n, parts, x = len(x), 1, x.t()
    for core in cores:
        r0, i, o, r1 = core.shape
        matrix = core.permute(2, 3, 0, 1).reshape(1, o * r1, r0 * i)
        x = torch.bmm(matrix.expand(parts, -1, -1), x.reshape(parts, r0 * i, -1))
        parts *= o
    return x.reshape(parts, n).t() + bias


def halves(x, cores, bias):
    """The cores of either half multiplied into one, then a matmul from the right and one from the left."""
    left, right = _halves(cores)
    (i, o, r), (_, j, p) = left.shape, right.shape
    x = x.reshape(-1, j) @ right.permute(1, 0, 2).reshape(j, r * p)  # (n i, r p)
    x = x.reshape(-1, i * r, p)
    x = torch.bmm(left.permute(1, 0, 2).reshape(1, o, i * r).expand(len(x), -1, -1), x)
    return x.reshape(-1, o * p) + bias


def dense(x, cores, bias):
    """W built from the cores, then one matmul."""
    left, right = _halves(cores)
    (i, o, r), (_, j, p) = left.shape, right.shape
    whole = (left.reshape(i * o, r) @ right.reshape(r, j * p)).reshape(i, o, j, p).transpose(1, 2)
    return torch.addmm(bias, x, whole.reshape(i * j, o * p))


def _halves(cores):
    """(I, O, r) and (r, I', O'): the left cores multiplied into one, and the right ones."""
    middle = (len(cores) + 1) // 2
    return _joined(cores[:middle])[0], _joined(cores[middle:])[..., 0]


def _joined(cores):
    """Neighbouring cores as one (r, I1..Ik, O1..Ok, r')."""
    whole = cores[0]
    for core in cores[1:]:
        (r0, i, o, _), (_, j, p, r1) = whole.shape, core.shape
        whole = torch.tensordot(whole, core, 1).permute(0, 1, 3, 2, 4, 5).reshape(r0, i * j, o * p, r1)
    return whole


ELEMENTWISE = {"relu": torch.relu}
"""PyTorch's own, by the name of ours."""

WAYS = {"sweep": sweep, "halves": halves, "dense": dense}
"""How a tensor-train layer can be computed: function of (x, cores, bias)."""


class Backprop:
    """A Model in PyTorch: the same parameters, gradients by its autograd.

    way: of its tensor-train layers; None: the fastest of each on batches of `batch_size`.
    """

    def __init__(self, model: Model, batch_size: int, way: str | None = None):
        self.graph = model.graph
        self.parameters = [torch.from_numpy(value).requires_grad_() for value in model.parameters().values()]
        self.layers = []
        for node in model.graph.nodes:
            own = self.parameters[node.first_slice : node.first_slice + node.n_slices]
            self.layers.append(self._layer(node, own, batch_size, way))

    def _layer(self, node, own, batch_size, way):
        """(name of the way, function of x) of one node."""
        if node.op.name in ELEMENTWISE:
            return node.op.name, ELEMENTWISE[node.op.name]
        if node.op.layer and node.op.layer.dense:
            weight, bias = own
            return "linear", lambda x: functional.linear(x, weight, bias)
        if not (node.op.layer and node.op.layer.train):
            raise ValueError(f"model: expected layers linear, tt_linear and relu, got {node.op.name}")
        *cores, bias = own
        first = node is self.graph.nodes[0]
        way = way or fastest_way(cores, bias, batch_size, input_gradient=not first)
        return way, lambda x: WAYS[way](x, cores, bias)

    @property
    def ways(self) -> str:
        """How each tensor-train layer is computed."""
        return ", ".join(name for name, _ in self.layers if name in WAYS) or "no tensor trains"

    def outputs(self, x):
        """(n, outputs) of a tensor x (n, features)."""
        for _, layer in self.layers:
            x = layer(x)
        return x

    def loss(self, x, labels):
        """Mean cross-entropy of tensors x (n, features), labels (n,)."""
        return functional.cross_entropy(self.outputs(x), labels)

    def model(self) -> Model:
        """The parameters as they are now, as a Model."""
        theta = np.concatenate([value.detach().numpy().ravel() for value in self.parameters])
        return Model(self.graph, theta)

    def train(self, data, order, rates, report=lambda step, loss: None) -> float:
        """Adam over minibatches; order (steps, batch) indices, rates (steps,). Returns seconds."""
        x, labels = (torch.from_numpy(np.ascontiguousarray(part)) for part in data)
        order, rates = torch.from_numpy(order.astype(np.int64)), rates.tolist()
        adam = torch.optim.Adam(self.parameters, lr=rates[0], fused=True)
        began = time.perf_counter()
        for step, (chosen, rate) in enumerate(zip(order, rates)):
            adam.param_groups[0]["lr"] = rate
            adam.zero_grad()
            loss = self.loss(x.index_select(0, chosen), labels.index_select(0, chosen))
            loss.backward()
            adam.step()
            report(step, loss.detach())
        return time.perf_counter() - began


def fastest_way(cores, bias, batch_size: int, input_gradient: bool) -> str:
    """Of WAYS, by the time that forward and backward of one minibatch take."""
    features = int(np.prod([core.shape[1] for core in cores]))
    x = torch.rand(batch_size, features, requires_grad=input_gradient)
    leaves = [*cores, bias, x] if input_gradient else [*cores, bias]
    gradient = torch.rand(batch_size, len(bias))
    seconds = {name: [] for name in WAYS}
    for _ in range(REPETITIONS):
        for name, way in WAYS.items():
            began = time.perf_counter()
            torch.autograd.grad(way(x, cores, bias), leaves, gradient)
            seconds[name].append(time.perf_counter() - began)
    return min(seconds, key=lambda name: min(seconds[name]))
