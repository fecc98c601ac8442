# SPDX-License-Identifier: MIT
"""Domains, samplers and known functions: their results, and the arguments that they refuse."""

import numpy as np
import pytest
from scipy.stats import kstest, norm, qmc

import bpfree as bf
from bpfree.pde import Box, Cube, Normal
from bpfree.pde.fields import Coordinates
from bpfree.pde.known import known
from bpfree.pde.residuals import TermRows
from bpfree.pde.samplers import SAMPLERS, faces, interior, unit


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n", [1, 100, 1000])
def test_points_are_in_the_domain_and_a_function_of_the_seed(sampler, n):
    domain = Box(x=(-1, 3), y=(2, 2.5, 3), z=Normal(2, scale=0.5))
    points = interior(domain, n, sampler, seed=4)
    assert points.shape == (n, 6) and domain.check(points) is points
    np.testing.assert_array_equal(points, interior(domain, n, sampler, seed=4))
    assert (points != interior(domain, n, sampler, seed=5)).all()  # resampled


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_distribution_is_uniform_and_normal(sampler):
    points = interior(Box(x=(-1, 3), z=Normal(1, scale=0.5)), 2000, sampler, seed=1)
    assert kstest(points[:, 0], "uniform", (-1, 4)).pvalue > 0.01
    assert kstest(points[:, 1], norm(scale=0.5).cdf).pvalue > 0.01


def test_sobol_and_latin_hypercubes_are_more_even_than_independent_points():
    spread = {sampler: qmc.discrepancy(unit(256, 4, sampler, 0)) for sampler in SAMPLERS}
    assert spread["sobol"] < spread["latin_hypercube"] / 2 < spread["uniform"] / 2


def test_each_part_of_a_latin_hypercube_has_one_point():
    cells = np.sort((unit(50, 3, "latin_hypercube", 7) * 50).astype(int), axis=0)
    np.testing.assert_array_equal(cells, np.arange(50)[:, None] + np.zeros((1, 3), int))


@pytest.mark.parametrize("dim", [251, 21201])
def test_sobol_in_many_dimensions(dim):
    points = interior(Box(x=Normal(dim - 1), t=(0, 1)), 3, "sobol", seed=2)
    assert points.shape == (3, dim) and np.isfinite(points).all()
    with pytest.raises(ValueError, match="dimensions of sobol: expected an integer in .1, 21201., got 21202"):
        unit(2, 21202, "sobol", 0)


def test_a_number_of_points_that_is_no_power_of_two_begins_the_same_sequence():
    np.testing.assert_array_equal(unit(1000, 5, "sobol", 3), unit(1024, 5, "sobol", 3)[:1000])


def test_every_face_has_its_share():
    domain = Box(x=(0, 2, 3), t=(0, 1))
    points = faces(domain, "x", ("low", "high"), 60, seed=1)
    for column in range(3):
        assert (points[:, column] == 0).sum() == (points[:, column] == 2).sum() == 10
    assert ((points[:, :3] == 0) | (points[:, :3] == 2)).sum(axis=1).tolist() == [1] * 60
    assert len(faces(domain, "x", ("low", "high"), 7)) == 7 and set(faces(domain, "t", ("high",), 9)[:, 3]) == {1.0}


BAD_BOXES = [
    (dict, "Box: expected at least one coordinate"),
    (lambda: {"value": (0, 1)}, "coordinate: expected a name other than d, domain, grad, .*, got 'value'"),
    (lambda: {"d": (0, 1)}, "got 'd'"),
    (lambda: {"laplacian": (0, 1)}, "got 'laplacian'"),
    (lambda: {"_x": (0, 1)}, "that does not begin with _, got '_x'"),
    (lambda: {"x": (0, 1), "xx": (0, 1)}, "coordinates: expected names with one meaning .*, got two meanings of u.xx"),
    (lambda: {"x": (0, 1), "yz": (0, 1), "xy": (0, 1), "z": (0, 1)}, "got two meanings of u.xyz"),
    (lambda: {"x": (1, 1)}, r"x: expected low < high, got \(1, 1\)"),
    (lambda: {"x": (0, float("nan"))}, "x: expected a finite float32 number, got nan"),
    (lambda: {"x": 3}, "x: expected .low, high., .* or Normal, got 3"),
    (lambda: {"x": (0, 1, 0)}, r"dimensions of x: expected an integer in \[1, 1048576\], got 0"),
    (lambda: {"x": Normal(2, scale=0)}, "scale: expected a finite number > 0, got 0"),
    (lambda: {"x": Cube(2, 1)}, "coordinate: expected low < high, got 2 and 1"),
]


@pytest.mark.parametrize(("coordinates", "message"), BAD_BOXES, ids=range(len(BAD_BOXES)))
def test_contradictory_boxes_are_refused(coordinates, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Box(**coordinates())


BAD_POINTS = [
    (np.zeros((3, 3)), r"points: expected shape \(n, 2\), got \(3, 3\)"),
    (np.zeros(2), r"points: expected shape \(n, 2\), got \(2,\)"),
    (np.zeros((0, 2)), r"points: expected shape \(n, 2\), got \(0, 2\)"),
    ([[0.5, 0.5], [0.5, np.nan]], r"points: expected finite numbers, got \[0.5, nan\] at 1"),
    ([[0.5, 0.5], [1.5, 0.5]], r"points: expected x in \[0, 1\], got \[1.5\]"),
    ([[0.5, -0.1]], r"points: expected t in \[0, 2\], got \[-0.1\]"),
]


@pytest.mark.parametrize(("points", "message"), BAD_POINTS, ids=range(len(BAD_POINTS)))
def test_points_that_are_not_in_the_domain(points, message):
    with pytest.raises(ValueError, match=message):
        Box(x=(0, 1), t=(0, 2)).check(points)


def test_points_that_float32_rounds_out_of_the_domain_are_in_it():
    assert float(np.float32(0.7)) < 0.7 and float(np.float32(0.8)) > 0.8
    Box(x=(0.7, 0.8)).check(np.float32([[0.7], [0.8]]))


@pytest.mark.parametrize("bad", [[[2.0, 0.5]], [[0.5, np.nan]]])
def test_points_of_the_users_own_are_checked(bad):
    problem = bf.pde.Heat()
    with pytest.raises(ValueError, match="points of residual: expected"):
        TermRows(problem, problem.terms()[0], np.array(bad), np.float64)


@pytest.mark.parametrize(("n", "sampler", "seed"), [(0, "sobol", 0), (3, "halton", 0), (3, "sobol", -1)])
def test_what_a_sampler_refuses(n, sampler, seed):
    with pytest.raises(ValueError, match="n: expected|sampler: expected one of 'sobol'|seed: expected"):
        interior(Box(x=(0, 1)), n, sampler, seed)


def at():
    return Coordinates(Box(x=(0, 1), t=(0, 1)), np.array([[0.1, 0.2], [0.3, 0.4]]), fields={"k": lambda x: 2 * x})


def test_functions_of_coordinates_by_name_of_all_and_numbers():
    c = at()
    assert known("v", 3, c) == 3
    np.testing.assert_allclose(known("v", lambda t, x: x - t, c), [-0.1, -0.1])
    np.testing.assert_allclose(known("v", lambda k, scale=2.0: scale * k, c), [0.4, 1.2])  # a field, and a default
    np.testing.assert_allclose(known("v", lambda c: c.x * c.k, c), [0.02, 0.18])
    by_that_name = Coordinates(Box(c=(0, 1)), np.array([[0.5]]))
    assert known("v", lambda c: 2 * c, by_that_name).tolist() == [1.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda q: q, "v: expected a function of coordinates by name, or of c, got the argument 'q'"),
        (lambda *all: all, "got the argument 'all'"),
        ("x", "v: expected a number or a function of coordinates, got 'x'"),
        (True, "v: expected a number or a function of coordinates, got True"),
        (None, "v: expected a number or a function of coordinates, got None"),
    ],
)
def test_what_is_no_known_function(given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        known("v", given, at())
