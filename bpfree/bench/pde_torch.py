# SPDX-License-Identifier: MIT
"""The rival of `bpfree bench pde`: the same networks in PyTorch, with all derivatives by autograd.

It computes in float64, from the same parameters as ours. For a share of the time it uses Adam with a falling rate, on
new points every `every` steps; then, where the points of a problem can stay, L-BFGS with a strong Wolfe search, as is
usual with PINNs. A Laplacian is a batch of vector-Jacobian products; tensor trains are contracted in the way that is
fastest on this machine. The equations are written independently of ours.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional

from bpfree.bench.backprop import WAYS
from bpfree.model import Model

OPERATIONS = {"tanh": torch.tanh, "sin": torch.sin, "square": torch.square, "add": torch.add}
"""PyTorch's own, by the name of ours."""


def outputs(graph, parameters, x, way: str = "dense"):
    """Return the outputs (n, outputs) for a tensor x (n, features).

    parameters: one tensor per slice. way: the contraction of tensor-train layers, a name in WAYS.
    """
    values = {0: x}
    for node in graph.nodes:
        own, inputs = [parameters[number] for number in node.slices], [values[number] for number in node.inputs]
        if node.op.name in OPERATIONS:
            y = OPERATIONS[node.op.name](*inputs)
        elif node.op.layer.dense:
            y = functional.linear(*inputs, *own)
        else:
            y = WAYS[way](*inputs, own[:-1], own[-1])
        values[node.output] = y
    return values[graph.nodes[-1].output]


def slope(u, x):
    """Return du/dx (n, dim) of u (n,)."""
    return torch.autograd.grad(u.sum(), x, create_graph=True)[0]


def second(du, x, columns):
    """Return u_kk (len(columns), n) of the slope du (n, dim), for k in columns."""
    n, dim = du.shape
    picks = torch.zeros(len(columns), n, dim, dtype=du.dtype)
    picks[torch.arange(len(columns)), :, torch.as_tensor(columns)] = 1.0
    rows = torch.autograd.grad(du, x, picks, create_graph=True, is_grads_batched=True)[0]
    return rows[torch.arange(len(columns)), :, torch.as_tensor(columns)]


def black_scholes(problem, f, x, alpha):
    """Return the residual of Black-Scholes at points x (n, 2) inside, with u = f."""
    du = slope(f, x)
    diffusion = 0.5 * problem.volatility**2 * x[:, 0] ** 2 * second(du, x, [0])[0]
    return du[:, 1] + diffusion + problem.rate * (x[:, 0] * du[:, 0] - f)


def hjb_lin(problem, f, x, alpha):
    """Return the residual of HJBLIN at points x, with u = sum x + (1 - t) f."""
    du = slope(x[:, :-1].sum(dim=1) + (1 - x[:, -1]) * f, x)
    laplacian = second(du, x, range(problem.dim)).sum(dim=0)
    return du[:, -1] + laplacian - (du[:, :-1] ** 2).sum(dim=1) / problem.dim + 2


def hjb_lqg(problem, f, x, alpha):
    """Return the residual of HJBLQG at points x, with u = log((1 + |x|^2) / 2) + (1 - t) f."""
    du = slope(torch.log((1 + (x[:, :-1] ** 2).sum(dim=1)) / 2) + (1 - x[:, -1]) * f, x)
    laplacian = second(du, x, range(problem.dim)).sum(dim=0)
    return du[:, -1] + laplacian - problem.m * (du[:, :-1] ** 2).sum(dim=1)


def burgers(problem, f, x, alpha):
    """Return the residual of Burgers at points x, with u = -sin(pi x) + t (1 - x^2) f."""
    u = -torch.sin(torch.pi * x[:, 0]) + x[:, 1] * (1 - x[:, 0] ** 2) * f
    du = slope(u, x)
    return du[:, 1] + u * du[:, 0] - 0.01 / torch.pi * second(du, x, [0])[0]


def poisson(problem, f, x, alpha):
    """Return the residual of Poisson at points x, with u = prod 4 x_k (1 - x_k) f."""
    du = slope((4 * x * (1 - x)).prod(dim=1) * f, x)
    source = problem.dim * torch.pi**2 * torch.sin(torch.pi * x).prod(dim=1)
    return second(du, x, range(problem.dim)).sum(dim=0) + source


def heat(problem, f, x, alpha):
    """Return the residual of Heat at points x, with u = sin(pi x) + 4 t x (1 - x) f."""
    du = slope(heat_solution(f, x), x)
    return du[:, 1] - alpha * second(du, x, [0])[0]


def heat_solution(f, x):
    """Return u of the heat equation in one dimension."""
    return torch.sin(torch.pi * x[:, 0]) + 4 * x[:, 1] * x[:, 0] * (1 - x[:, 0]) * f


RESIDUALS = {
    "BlackScholes": black_scholes, "HJBLIN": hjb_lin, "HJBLQG": hjb_lqg, "Burgers": burgers, "Poisson": poisson,
    "Heat": heat, "InverseHeat": heat,
}  # fmt: skip


class Rival:
    """A problem and its network in PyTorch; alpha is the coefficient of heat equations, trained where it is unknown."""

    def __init__(self, problem, model: Model, counts: dict, seed: int):
        self.problem, self.graph, self.frozen, self.counts, self.seed = problem, model.graph, model.frozen, counts, seed
        self.parameters = [
            torch.from_numpy(value.astype(np.float64)).requires_grad_() for value in model.parameters().values()
        ]
        alpha = torch.tensor(getattr(problem, "alpha", 0.0), dtype=torch.float64)
        self.alpha = alpha.requires_grad_() if problem.unknowns else alpha
        self.trained = [*self.parameters, self.alpha] if problem.unknowns else self.parameters
        self.draw, self.passes, self.way = None, 0, "dense"
        if any(node.op.layer and node.op.layer.train for node in self.graph.nodes):
            self.points(0)
            self.way = min(WAYS, key=self._seconds)
        self.passes, self.steps = 0, 0

    def _seconds(self, way: str) -> float:
        """Return the seconds of a loss and its gradient with this contraction, the second time."""
        self.way = way
        for _ in range(2):
            self.passes, began = 0, time.process_time()
            self.loss().backward()
        return time.process_time() - began

    def points(self, draw: int) -> None:
        """Draw new points with the samplers of the problem's own terms."""
        if draw != self.draw:
            self.draw, self.x = draw, {}
            for k, term in enumerate(self.problem.terms()):
                points = term.sample(self.counts[term.name], "sobol", self.seed + 1_000_003 * draw + k)
                self.x[term.name] = torch.from_numpy(np.ascontiguousarray(points, np.float64))

    def f(self, x):
        """Return the output of the network, (n,)."""
        self.passes += len(x)
        return outputs(self.graph, self.parameters, x, self.way)[:, 0]

    def loss(self):
        """Return the sum over terms of the mean squared residual, which is our loss."""
        problem, x = self.problem, self.x["residual"].detach().requires_grad_()
        total = (RESIDUALS[problem.name](problem, self.f(x), x, self.alpha) ** 2).mean()
        for name, values in self._known().items():
            points = self.x[name]
            u = heat_solution(self.f(points), points) if name == "observed" else self.f(points)
            total = total + ((u - values) ** 2).mean()
        return total

    def _known(self) -> dict:
        """Return the values that soft terms prescribe, by the name of the term."""
        problem = self.problem
        if problem.name == "InverseHeat":
            return {"observed": torch.from_numpy(problem.conditions[-1].values)}
        if problem.name != "BlackScholes":
            return {}
        k = problem.strike / 200
        low, high = (x[:, 1] for name, x in self.x.items() if name.startswith("dirichlet"))
        names = [name for name in self.x if name.startswith("dirichlet")]
        ends = (torch.zeros_like(low), 1 - k * torch.exp(-problem.rate * (1 - high)))
        return {"terminal": torch.relu(self.x["terminal"][:, 0] - k), **dict(zip(names, ends, strict=True))}

    def train(self, seconds: float, lr: float, every: int, share: float) -> None:
        """Train by Adam for a share of the seconds of CPU time, with lr falling along a cosine, then by L-BFGS."""
        adam, began = torch.optim.Adam(self.trained, lr=lr), time.process_time()
        while (done := (time.process_time() - began) / (seconds * share)) < 1:
            self.points(self.steps // every if every else 0)
            adam.param_groups[0]["lr"] = lr * 0.5 * (1 + float(np.cos(np.pi * done)))
            adam.zero_grad()
            self.loss().backward()
            adam.step()
            self.steps += 1
        lbfgs = torch.optim.LBFGS(
            self.trained, max_iter=20, history_size=50, tolerance_grad=0, tolerance_change=0,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure():
            lbfgs.zero_grad()
            loss = self.loss()
            loss.backward()
            return loss

        while time.process_time() - began < seconds:
            lbfgs.step(closure)

    def theta(self) -> np.ndarray:
        """Return the parameters, followed by the unknown coefficient if there is one, in our order."""
        return np.concatenate([value.detach().numpy().ravel() for value in self.trained])
