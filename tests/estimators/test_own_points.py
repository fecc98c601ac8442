"""Points of estimators of one's own: where probes are, what of them is refused, in every engine alike."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers import floats

import bpfree as bf

X, Y = floats(1, 40, 3), floats(2, 40, 2)
MODEL = bf.Sequential(3, [bf.Linear(6), bf.ReLU(), bf.Linear(2)], seed=1)
N = MODEL.graph.n_theta


def trained(estimator, engine="reference", **settings):
    settings = {"loss": "mse", "engine": engine, "batch_size": 8, "max_steps": 3, **settings}
    return bf.train(MODEL, (X, Y), estimator=estimator, **settings)


def at(direction="rademacher", query=range(4), n=lambda step: 4, **columns):
    """An estimator whose points are these rows."""

    @dataclass(frozen=True)
    class Mine(bf.Differences):
        averaged = 4

        def points(self, graph, seed, step):
            return bf.probe_rows(n(step), direction, seed, step, query, **columns)

    return Mine()


@pytest.mark.parametrize("engine", ["reference", "exact", "compiled"])
@pytest.mark.parametrize(("columns", "message"), [
    ({}, f"first, count: expected a range within [0, {N}), got first=0, count=0: first=0, count=graph.n_theta mov"),
    ({"first": 2}, f"first, count: expected a range within [0, {N}), got first=2, count=0"),
    ({"first": N - 2, "count": 3}, f"first, count: expected a range within [0, {N}), got first={N - 2}, count=3"),
    ({"first": 2**32 - 5, "count": 10}, f"first, count: expected a range within [0, {N}), got first=4294967291, co"),
    ({"direction": "coordinate", "element": [0, 1, N, 2]}, f"element: expected a coordinate of theta, in [0, {N}), "),
])  # fmt: skip
def test_a_probe_moves_something_of_theta_and_nothing_beside_it(columns, message, engine):
    with pytest.raises(ValueError) as raised:
        trained(at(**columns), engine)
    assert str(raised.value).startswith(message)


def test_all_of_theta_and_its_last_element_are_ranges_of_it():
    for engine in ("exact", "compiled"):
        assert trained(at(first=0, count=N), engine).model.hash != MODEL.hash
    moved = trained(at(first=N - 1, count=1)).model.theta != MODEL.theta
    assert moved[-1] and not moved[:-1].any()


@pytest.mark.parametrize(("given", "message"), [
    ({"query": 4096}, r"query: expected whole numbers in \[0, 4096\), got 4096"),
    ({"query": [0, -1, 2]}, r"query: expected whole numbers in \[0, 4096\), got -1"),
    ({"query": [0, 1]}, r"query: expected a number or 3 of them, got shape \(2,\)"),
    ({"query": 0.5}, r"query: expected whole numbers in \[0, 4096\), got 0.5"),
    ({"first": -1}, r"first: expected whole numbers in \[0, 4294967296\), got -1"),
    ({"count": np.array([1, 2, -3])}, r"count: expected whole numbers in \[0, 4294967296\), got -3"),
    ({"seed": -1}, r"seed: expected an integer in \[0, 4294967295\], got -1"),
    ({"step": 2**32}, r"step: expected an integer in \[0, 4294967295\], got 4294967296"),
    ({"n": -1}, "n: expected an integer >= 0, got -1"),
    ({"last": 3}, "probe_rows: expected columns first, count and element, got 'last'"),
])  # fmt: skip
def test_what_a_field_of_a_probe_cannot_hold_is_refused(given, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        bf.probe_rows(**{"n": 3, "direction": "rademacher", "seed": 0, "step": 0, **given})


def test_queries_up_to_4095_have_directions_of_their_own():
    directions = bf.probe_rows(4096, "rademacher", 0, 0, range(4096))["address"]
    assert len(np.unique(directions)) == 4096 and len(np.unique(directions >> 28)) == 1


def test_points_are_as_many_in_every_step():
    growing = at(query=0, n=lambda step: 4 + step, first=0, count=N)
    with pytest.raises(ValueError, match="^estimator: expected as many points of '.*' in every step, 4 as in .* 5 in"):
        trained(growing)


NO_PROBES = [(None, "NoneType"), ([0, 1], "list"), (bf.probe_rows(0, "sphere", 0, 0), "none")]


@pytest.mark.parametrize(("given", "got"), NO_PROBES)
def test_points_are_probes(given, got):
    mine = dataclass(frozen=True)(type("Mine", (bf.Differences,), {"points": lambda self, *where: given}))()
    with pytest.raises(TypeError, match=f"^estimator: expected points of '.*Mine' to be probes .* got {got}"):
        trained(mine)
