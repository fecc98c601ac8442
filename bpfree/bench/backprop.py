# SPDX-License-Identifier: MIT
"""The rival: back-propagation and Adam in PyTorch, from the same weights on the same minibatches.

It is as fast as PyTorch can be on a CPU without a compiler: Adam is fused,
PyTorch gathers the minibatches, order and schedule are computed before the clock
starts, and there is no input gradient. A tensor-train layer can be contracted in
three ways; each layer takes the fastest on this machine, which is found before
the clock starts.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional

from bpfree.model import Model

REPETITIONS = 7
"""Number of timings of each contraction; the fastest counts."""


def sweep(x, cores, bias):
    """Contract core by core from the left without building W: (parts, r i, rest n) -> (parts, o r', rest n)."""
    n, parts, x = len(x), 1, x.t()
    for core in cores:
        r0, i, o, r1 = core.shape
        matrix = core.permute(2, 3, 0, 1).reshape(1, o * r1, r0 * i)
        x = torch.bmm(matrix.expand(parts, -1, -1), x.reshape(parts, r0 * i, -1))
        parts *= o
    return x.reshape(parts, n).t() + bias


def halves(x, cores, bias):
    """Multiply the cores of each half into one, then contract with a matmul from the right and one from the left."""
    left, right = _halves(cores)
    (i, o, r), (_, j, p) = left.shape, right.shape
    x = x.reshape(-1, j) @ right.permute(1, 0, 2).reshape(j, r * p)  # (n i, r p)
    x = x.reshape(-1, i * r, p)
    x = torch.bmm(left.permute(1, 0, 2).reshape(1, o, i * r).expand(len(x), -1, -1), x)
    return x.reshape(-1, o * p) + bias


def dense(x, cores, bias):
    """Build W from the cores, then contract with one matmul."""
    left, right = _halves(cores)
    (i, o, r), (_, j, p) = left.shape, right.shape
    whole = (left.reshape(i * o, r) @ right.reshape(r, j * p)).reshape(i, o, j, p).transpose(1, 2)
    return torch.addmm(bias, x, whole.reshape(i * j, o * p))


def _halves(cores):
    """Return the products of the left cores (I, O, r) and of the right cores (r, I', O')."""
    middle = (len(cores) + 1) // 2
    return _joined(cores[:middle])[0], _joined(cores[middle:])[..., 0]


def _joined(cores):
    """Return the product of neighbouring cores, (r, I1..Ik, O1..Ok, r')."""
    whole = cores[0]
    for core in cores[1:]:
        (r0, i, o, _), (_, j, p, r1) = whole.shape, core.shape
        whole = torch.tensordot(whole, core, 1).permute(0, 1, 3, 2, 4, 5).reshape(r0, i * j, o * p, r1)
    return whole


ELEMENTWISE = {"relu": torch.relu}
"""PyTorch's own, by the name of ours."""

WAYS = {"sweep": sweep, "halves": halves, "dense": dense}
"""The contractions of a tensor-train layer, by name: functions of (x, cores, bias)."""


class Backprop:
    """A Model in PyTorch, with the same parameters, and gradients by autograd.

    way: the contraction of its tensor-train layers, a name in WAYS; None takes the
    fastest for each layer on batches of `batch_size`.
    """

    def __init__(self, model: Model, batch_size: int, way: str | None = None):
        self.graph = model.graph
        self.parameters = [torch.from_numpy(value).requires_grad_() for value in model.parameters().values()]
        self.layers = []
        for node in model.graph.nodes:
            own = self.parameters[node.first_slice : node.first_slice + node.n_slices]
            self.layers.append(self._layer(node, own, batch_size, way))

    def _layer(self, node, own, batch_size, way):
        """Return (name of the contraction or op, function of x) of one node."""
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
        """The names of the contractions of the tensor-train layers."""
        return ", ".join(name for name, _ in self.layers if name in WAYS) or "no tensor trains"

    def outputs(self, x):
        """Return the outputs (n, outputs) of a tensor x (n, features)."""
        for _, layer in self.layers:
            x = layer(x)
        return x

    def loss(self, x, labels):
        """Return the mean cross-entropy of tensors x (n, features) and labels (n,)."""
        return functional.cross_entropy(self.outputs(x), labels)

    def model(self) -> Model:
        """Return the current parameters as a Model."""
        theta = np.concatenate([value.detach().numpy().ravel() for value in self.parameters])
        return Model(self.graph, theta)

    def train(self, data, order, rates, report=lambda step, loss: None) -> float:
        """Train by Adam on minibatches and return the seconds.

        order: (steps, batch) indices of samples. rates: (steps,) learning rates.
        """
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
    """Return the name in WAYS whose forward and backward pass of one minibatch takes the least time."""
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
