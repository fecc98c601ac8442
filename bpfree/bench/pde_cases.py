# SPDX-License-Identifier: MIT
"""The cases of `bpfree bench pde`: problems, the settings to solve them, and the errors to reach.

Settings were chosen with other seeds and other test points.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bpfree.engines import ReferenceEngine
from bpfree.estimators.rge import RGE
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.square import Square
from bpfree.ops.tanh import Tanh
from bpfree.pde import Problem, RandomDirections, Solution, solve
from bpfree.pde.methods.first_order import FirstOrder
from bpfree.pde.methods.gauss_newton import LeastSquaresHead
from bpfree.pde.problems import PROBLEMS
from bpfree.schedules.cosine_decay import cosine_decay
from bpfree.updates.adam import Adam
from bpfree.updates.chain import chain
from bpfree.updates.weight_decay import WeightDecay

SEEDS = (1, 2, 3)
"""Seeds of networks and points of the reported runs; settings were chosen with others (100 and up)."""

SELDOM = 10**9
"""Steps between measurements of the error where no curve is asked for, as they take time."""


@dataclass(frozen=True)
class Adversary:
    """The settings of back-propagation: Adam, then L-BFGS on the last points.

    lr: learning rate of Adam.
    every: steps of Adam between drawing new points; 0: never.
    share: Adam's share of the time.
    points: number of points inside the domain; None takes ours.
    times: time of the run in units of ours.
    """

    lr: float = 3e-3
    every: int = 0
    share: float = 0.3
    points: int | None = None
    times: float = 2.0


@dataclass(frozen=True)
class Case:
    """One problem with the settings to solve it.

    target: the relative L2 error to reach.
    phases: settings of `solve`, one run after another, each from the result of the one before.
    adversary: the settings of back-propagation; None leaves it out.
    network: a function (problem, seed) -> model; default: the problem's own network.
    """

    name: str
    problem: Callable[[], Problem]
    target: float
    phases: tuple[dict, ...]
    seeds: tuple[int, ...] = SEEDS
    adversary: Adversary | None = field(default_factory=Adversary)
    network: Callable = lambda problem, seed: problem.network(seed)


@dataclass
class Result:
    """The result of one run; looks holds (forwards, seconds, relative L2) along the way."""

    error: float
    forwards: int
    seconds: float
    unknowns: dict
    counts: dict
    looks: list
    steps: int


def squares(problem: Problem, seed: int):
    """Return a network that is cheap to probe: the squares of all inputs, two sums of them, two layers of 8 tanh.

    It has 609 parameters in 251 dimensions.
    """
    layers = [Square(), Linear(2), Linear(8), Tanh(), Linear(8), Tanh(), Linear(1)]
    return Sequential(problem.domain.dim, layers, seed=seed)


def _problem(name: str, **settings) -> Callable[[], Problem]:
    return lambda: PROBLEMS[name].settings(**settings)


def _losses_only(update, steps: int) -> dict:
    """Return settings with two two-sided random directions per step, at ten points that are new every step."""
    return {
        "method": FirstOrder(RGE(n_queries=2, mu=0.01), update), "max_steps": steps, "points": 10, "resample_every": 1,
        "sampler": "uniform", "engine": ReferenceEngine(dtype="float32"), "precision": 0.1,
    }  # fmt: skip


def published(rule, steps: int) -> dict:
    """Return the published settings: ten two-sided random directions, Adam, 100 points per step."""
    method = FirstOrder(RGE(n_queries=10, mu=0.01), Adam(1e-3))
    return {"method": method, "rule": rule, "max_steps": steps, "points": 100, "resample_every": 1}


LOSSES_ONLY = (
    _losses_only(chain(Adam(3e-3), WeightDecay(3e-3)), 1000),
    _losses_only(Adam(cosine_decay(3e-3, steps=1000)), 1000),
)
"""Weight decay does most of the work, as all parameters but the last bias may be 0: this problem is a smoke test."""

CASES = (
    Case(
        "black-scholes", _problem("black_scholes"), 1e-2, ({"points": 500, "max_forwards": 1e7},),
        adversary=Adversary(1e-2),
    ),
    Case(
        "black-scholes-best", _problem("black_scholes"), 2e-3, ({"points": 1000, "max_forwards": 2.5e7},),
        adversary=Adversary(1e-2),
    ),
    Case("hjb-lin-20", _problem("hjb_lin"), 1e-6, ({"points": 1000, "method": LeastSquaresHead()},), adversary=None),
    Case("hjb-lin-20-zo", _problem("hjb_lin"), 2e-4, LOSSES_ONLY, adversary=Adversary(3e-3, 1, 1.0, 10, 1.0)),
    Case("hjb-lqg-20", _problem("hjb_lqg"), 1e-2, ({"max_steps": 150},), adversary=Adversary(3e-2, 1, 1.0, 100)),
    Case(
        "hjb-lqg-100", _problem("hjb_lqg", dim=100), 1e-2, ({"max_steps": 40},),
        adversary=Adversary(3e-2, 1, 1.0, 50),
    ),
    Case(
        "hjb-lqg-250", _problem("hjb_lqg", dim=250), 6e-3,
        ({"points": 2000, "rule": RandomDirections(16), "max_steps": 100},),
        adversary=Adversary(3e-2, 1, 1.0, 20, 1.0), network=squares,
    ),
    Case("burgers", _problem("burgers"), 2e-3, ({"max_steps": 100},)),
    Case("poisson-2d", _problem("poisson", dim=2), 1e-4, ({"max_steps": 60},)),
    Case("heat-1d", _problem("heat", dim=1), 1e-4, ({"max_steps": 60},)),
    Case("inverse-heat", _problem("inverse_heat"), 1e-4, ({"max_steps": 60},)),
)  # fmt: skip


def quickly(case: Case) -> Case:
    """Return the same case with a few steps on few points, which only shows that everything runs."""
    few = tuple(phase | {"points": 20, "max_steps": 2} for phase in case.phases)
    return replace(case, phases=few, seeds=case.seeds[:1])


def run_case(case: Case, seed: int, test, look_every: int = SELDOM) -> Result:
    """Solve a case from this seed; errors are at test points (n, dim), seconds are CPU time of one thread."""
    problem, looks, spent, began = case.problem(), [], 0, time.process_time()
    model, steps = case.network(problem, seed), 0

    def timed(step, history):
        while len(seen) < len(history.looks):
            seen.append(time.process_time() - began)

    for phase in case.phases:
        seen = []
        solution = solve(
            problem, model, seed=seed, test_points=test, look_every=look_every, progress=False, callbacks=timed, **phase
        )
        timed(0, solution.history)
        new = zip(seen, solution.history.looks, strict=True)
        looks += [(spent + look.forwards, seconds, look.error) for seconds, look in new]
        spent, model, steps = spent + solution.history.forwards, solution.model, steps + solution.steps
    seconds = time.process_time() - began
    return Result(solution.error(), spent, seconds, solution.unknowns, solution.points, looks, steps)


def run_adversary(case: Case, seed: int, test, counts: dict, seconds: float) -> Result:
    """Run back-propagation from the same network, for this many seconds of CPU time."""
    from bpfree.bench.pde_torch import Rival

    problem, how = case.problem(), case.adversary
    if how.points is not None:
        counts = {"residual": how.points}
    model = case.network(problem, seed)
    rival = Rival(problem, model, counts, seed)
    rival.train(seconds, how.lr, how.every, how.share)
    found = Solution(problem, model.graph, rival.theta(), model.frozen, seed=seed, test=test)
    return Result(found.error(), rival.passes, seconds, found.unknowns, counts, [], rival.steps)
