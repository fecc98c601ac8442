"""Derivative rules: passes, order of the bias and noise gain, and their results on known functions."""

import numpy as np
import pytest
from pde_functions import Function, Waves, estimates

from bpfree.pde import Box, Differences, RandomDirections, SparseGrid, Stein, Taylor, check_precision
from bpfree.pde.rules import RULES
from bpfree.pde.wanted import First, GradSquare, Laplacian, Second

DOMAIN = Box(x=(0, 1, 3), t=(0, 1))
LAPLACIAN = Laplacian((0, 2))
LINEAR = [First(1), First(3), Second(0, 0), Second(3, 3), Second(0, 2), Second(1, 3), LAPLACIAN]
WANTED = [*LINEAR, GradSquare((0, 1, 2))]
SETTINGS = {
    "taylor": [Taylor()],
    "differences": [Differences(), Differences(order=4), Differences(step=0.1), Differences(order=4, step=0.2)],
    "stein": [Stein(n=12), Stein(n=40, sigma=0.2)],
    "sparse_grid": [
        SparseGrid(level=level, sigma=0.2, family=family, richardson=richardson, of=of)
        for level in (3, 4)
        for family in ("gauss_hermite", "genz_keister")
        for richardson in (False, True)
        for of in ("u", "smoothed")
    ],
    "random_directions": [RandomDirections(2), RandomDirections(n=2, rule=Differences(step=0.1))],
}
ALL = [rule for rules in SETTINGS.values() for rule in rules]
SHIFTED = [rule for rule in ALL if rule.stencil(LINEAR, DOMAIN, "f8").offsets is not None]
every = pytest.mark.parametrize("rule", ALL, ids=repr)
shifted = pytest.mark.parametrize("rule", SHIFTED, ids=repr)
certain = pytest.mark.parametrize("rule", [rule for rule in SHIFTED if not rule.random], ids=repr)
stepped = pytest.mark.parametrize("rule", [rule for rule in SHIFTED if getattr(rule, "step", 1)], ids=repr)
POINTS = np.random.default_rng(1).random((7, 4))


def test_every_row_has_settings_to_try():
    assert set(SETTINGS) == {row.name for row in RULES}
    assert all(RULES.of(rule).name == name for name, rules in SETTINGS.items() for rule in rules)


def quadratic(x):
    """Return a function of two outputs with all second derivatives: 1/2 x A x + b x + 2."""
    a = np.array([[[1, 2, -1, 0.5], [2, 3, 0, 1], [-1, 0, -2, 4], [0.5, 1, 4, 1.5]], np.diag([1.0, 0, 2, -3])])
    return np.einsum("ni,oij,nj->no", x, a, x) / 2 + x @ np.array([[1.0, -2, 0, 3], [0, 1, 1, 1]]).T + 2, a


@certain
def test_quadratic_functions_are_differentiated_exactly(rule):
    """Return value, gradient, diagonal of the Hessian, mixed derivative and Laplacian of both outputs."""
    _, a = quadratic(POINTS)
    slope = np.einsum("oij,nj->oin", a, POINTS) + np.array([[1.0, -2, 0, 3], [0, 1, 1, 1]])[:, :, None]
    stencil = rule.stencil(WANTED, DOMAIN, "f8")
    found = estimates(Function(lambda x: quadratic(x)[0], outputs=2), stencil, POINTS)
    tolerance = {"rtol": 1e-6, "atol": 1e-6 if getattr(rule, "step", 1) is None else 1e-9}
    for i in (1, 3):
        np.testing.assert_allclose(found[First(i)], slope[:, i], **tolerance)
    for i, j in ((0, 0), (3, 3), (0, 2), (1, 3)):
        np.testing.assert_allclose(found[Second(i, j)], np.repeat(a[:, i, j, None], 7, axis=1), **tolerance)
    np.testing.assert_allclose(found[LAPLACIAN], np.repeat(a[:, [0, 2], [0, 2]].sum(-1)[:, None], 7, 1), **tolerance)
    np.testing.assert_allclose(found[WANTED[-1]], (slope[:, :3] ** 2).sum(axis=1), **tolerance)
    smoothed = getattr(rule, "of", "u") == "smoothed" and not rule.richardson
    shift = rule.sigma**2 / 2 * np.trace(a, axis1=1, axis2=2) if smoothed else np.zeros(2)
    np.testing.assert_allclose(found[None], quadratic(POINTS)[0].T + shift[:, None], rtol=1e-12)


def halved(rule):
    """Return the same rule with half the step."""
    if isinstance(rule, RandomDirections):
        return RandomDirections(rule.n, halved(rule.rule))
    settings = {name: getattr(rule, name) for name in rule.__dataclass_fields__}
    name = "step" if "step" in settings else "sigma"
    return type(rule)(**settings | {name: settings[name] / 2})


@stepped
def test_bias_order(rule):
    """Halving the step divides errors by 2^p. Random shifts stay the same, so their own limit is the exact value."""
    waves = Waves(4, size=0.7)
    network, half = Function(waves, outputs=2), halved(rule)
    one, two, fine = (estimates(network, r.stencil(LINEAR, DOMAIN, "f8"), POINTS) for r in (rule, half, tiny(rule)))
    for quantity in [*LINEAR, *[None] * (getattr(rule, "of", "u") == "smoothed")]:
        if quantity is None:
            exact = waves(POINTS).T
        else:
            exact = fine[quantity] if rule.random else waves.exact(quantity, POINTS)
        errors = [np.linalg.norm(found[quantity] - exact) for found in (one, two)]
        order = np.log2(errors[0] / errors[1])
        assert order == pytest.approx(rule.bias_order, abs=0.15), quantity
        assert errors[0] < 0.5 * np.linalg.norm(exact)


def tiny(rule):
    """Return the limit of small steps, to 1e-5."""
    for _ in range(9):
        rule = halved(rule)
    return rule


@shifted
def test_noise_gain_is_that_of_injected_noise(rule):
    stencil = rule.stencil(LINEAR, DOMAIN, "f8")
    random = np.random.default_rng(3)
    network = Function(lambda x: random.standard_normal((len(x), 1)))
    found = estimates(network, stencil, np.zeros((20_000, 4)))
    for quantity in LINEAR:
        assert found[quantity].std() == pytest.approx(stencil.noise_gain(quantity), rel=0.03), quantity


@shifted
def test_a_constant_has_no_derivatives(rule):
    """Weights in the thousands cancel to rounding."""
    stencil = rule.stencil(LINEAR, DOMAIN, "f8")
    assert (np.abs(stencil.weights[1:].sum(axis=1)) <= 1e-14 * np.abs(stencil.weights[1:]).sum(axis=1)).all()
    assert stencil.weights[0].sum() == pytest.approx(1, rel=1e-12)
    assert len(np.unique(stencil.offsets, axis=0)) == stencil.passes


@pytest.mark.parametrize("dim", [1, 2, 5, 21])
def test_passes(dim):
    domain, all_of_it = Box(x=(0, 1, dim)), [Laplacian(tuple(range(dim))), *map(First, range(dim))]

    def passes(rule, wanted=all_of_it):
        return rule.stencil(wanted, domain, "f8").passes

    assert passes(Taylor()) == dim + 2
    assert passes(Differences()) == 2 * dim + 1 and passes(Differences(order=4)) == 4 * dim + 1
    assert passes(Stein(n=10)) == 21
    if dim > 1:
        assert passes(SparseGrid()) == 2 * dim**2 + 2 * dim + 1
        assert passes(SparseGrid(richardson=True)) == 4 * dim**2 + 4 * dim + 1
        assert passes(SparseGrid(family="genz_keister")) == 2 * dim**2 + 1
        assert passes(SparseGrid(level=2), [First(0)]) == 3  # only the centre and the pair along x have weights
        assert passes(Differences(), [Second(0, 1)]) == 9  # an ansatz needs first derivatives too
        assert passes(Differences(order=4), [Second(0, 1)]) == 17
    for rule in (Taylor(), Differences(), Stein(), SparseGrid()):
        assert passes(rule, []) == 1  # a condition on values
    assert passes(SparseGrid(of="smoothed", family="genz_keister"), []) == (2 * dim**2 + 1)


HJB, HJB_LAPLACIAN = Box(x=(0, 1, 20), t=(0, 1)), Laplacian(tuple(range(20)))


@pytest.mark.parametrize(
    ("rule", "passes", "gain"),
    [
        (SparseGrid(sigma=0.1), 925, 4265),
        (SparseGrid(sigma=0.1, family="genz_keister"), 883, 362),
        (Differences(step=0.1 * np.sqrt(3)), 43, 13.5),
    ],
    ids=["gauss_hermite", "genz_keister", "differences"],
)
def test_noise_of_a_laplacian_of_20_coordinates(rule, passes, gain):
    stencil = rule.stencil([First(20), HJB_LAPLACIAN], HJB, "f8")
    assert stencil.passes == passes
    assert stencil.noise_gain(HJB_LAPLACIAN) * rule_reach(rule) == pytest.approx(gain, rel=2e-3)


def rule_reach(rule):
    """The bias is sigma^2."""
    return 0.1**2 if isinstance(rule, Differences) else rule.sigma**2


def test_declared_noise_of_differences():
    """The noise gains are those of the docstring, times h and h^2."""
    domain, wanted = Box(x=(0, 1, 5)), [First(0), Second(0, 0), Second(0, 1), Laplacian(tuple(range(5)))]
    for order, expected in ((2, [0.71, 2.45, 0.5, np.sqrt(110)]), (4, [0.95, 3.13, 0.668, None])):
        stencil = Differences(order, step=1.0).stencil(wanted, domain, "f8")
        for quantity, gain in zip(wanted, expected):
            assert gain is None or stencil.noise_gain(quantity) == pytest.approx(gain, rel=0.01)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("order", [2, 4])
def test_default_steps_are_near_the_best(order, dtype):
    """For waves like sin 3x, no step from 1/16 to 16 times the default is more than ten times better."""
    waves, domain = Waves(2, size=3), Box(x=(0, 1), y=(0, 1))
    points = np.random.default_rng(0).random((200, 2)).astype(dtype)
    network = Function(lambda x: waves(x).astype(dtype), np.dtype(dtype), outputs=2)
    for wanted in ([First(0)], [Second(0, 0)], [Second(0, 1)]):
        default = Differences(order).stencil(wanted, domain, dtype).offsets.max()
        errors = []
        for factor in 2.0 ** np.arange(-4, 5):
            stencil = Differences(order, step=default / (order // 2) * factor).stencil(wanted, domain, dtype)
            exact = waves.exact(wanted[0], points.astype(float))
            errors.append(np.abs(estimates(network, stencil, points)[wanted[0]] - exact).max())
        assert errors[4] < 10 * min(errors), errors
        assert np.log2(default) == round(np.log2(default))


class TestStein:
    def test_it_is_right_on_average_and_spreads_as_declared(self):
        domain, wanted = Box(x=(0, 1, 40)), [First(0), Second(1, 1), Second(0, 2), Laplacian(tuple(range(40)))]
        h, g = np.linspace(0.5, 1.5, 40), np.random.default_rng(0).standard_normal(40)
        network = Function(lambda x: (x**2 @ h)[:, None] / 2 + (x @ g)[:, None])
        n, draws = 20, []
        for step in range(1000):
            stencil = Stein(n=n, sigma=0.5).stencil(wanted, domain, "f8", seed=5, step=step)
            found = estimates(network, stencil, np.zeros((1, 40)))
            draws.append([found[q].item() for q in wanted])
        mean, spread = np.mean(draws, axis=0), np.std(draws, axis=0)
        assert (np.abs(mean - [g[0], h[1], 0, 40]) < 4 * spread / np.sqrt(1000)).all()
        expected = [np.linalg.norm(g) / np.sqrt(n), 40 / np.sqrt(2 * n), 20 / np.sqrt(n), 40 * np.sqrt(40 / (2 * n))]
        np.testing.assert_allclose(spread, expected, rtol=0.25)

    def test_its_noise_is_about_as_declared(self):
        domain, wanted = Box(x=(0, 1, 21)), [First(0), Second(1, 1), Laplacian(tuple(range(21)))]
        stencils = [Stein(n=200, sigma=0.1).stencil(wanted, domain, "f8", seed=s) for s in range(20)]
        gains = np.sqrt([np.mean([stencil.noise_gain(q) ** 2 for stencil in stencils]) for q in wanted])
        np.testing.assert_allclose(gains, [10 / 20, 100 * np.sqrt(3 / 200), 100 * np.sqrt(3 * 21 / 200)], rtol=0.2)

    def test_shifts_are_of_seed_and_step(self):
        def offsets(**address):
            return Stein(n=3).stencil([First(0)], DOMAIN, "f8", **address).offsets

        assert (offsets(seed=1, step=2) == offsets(seed=1, step=2)).all()
        assert (offsets(seed=1, step=2) != offsets(seed=1, step=3))[1:].all()
        assert (offsets(seed=1, step=2) != offsets(seed=2, step=2))[1:].all()
        assert Stein.random and not SparseGrid.random


class TestRandomDirections:
    DIM = 60
    DOMAIN = Box(x=(0, 1, 60), t=(0, 1))
    WANTED = (First(60), Laplacian(tuple(range(60))), GradSquare(tuple(range(60))))

    def draws(self, rule, f, n):
        """Return estimates (n, 3) at 0, one row per step."""
        x, network, found = np.zeros((1, 61)), Function(f), []
        for step in range(n):
            stencil = rule.stencil(self.WANTED, self.DOMAIN, "f8", seed=1, step=step)
            values = estimates(network, stencil, x)
            found.append([values[q].item() for q in self.WANTED])
        return np.array(found)

    def test_it_is_right_on_average_and_spreads_as_declared(self):
        r = np.random.default_rng(0)
        h, g = r.standard_normal((61, 61)) * 0.1, r.standard_normal(61)
        h = h + h.T

        def f(x):
            return (np.einsum("ni,ij,nj->n", x, h, x) / 2 + x @ g)[:, None]

        found = self.draws(RandomDirections(4, Differences(step=0.1)), f, 800)
        exact = [g[60], np.trace(h[:60, :60]), (g[:60] ** 2).sum()]
        off_diagonal = h[:60, :60] - np.diag(np.diag(h[:60, :60]))
        spread = [0, np.sqrt(2 / 4 * (off_diagonal**2).sum()), np.sqrt(2 / 4 * (exact[2] ** 2 - (g[:60] ** 4).sum()))]
        np.testing.assert_allclose(found[:, 0], exact[0], rtol=1e-9)
        assert (np.abs(found.mean(axis=0) - exact)[1:] < 4 * np.array(spread)[1:] / np.sqrt(800)).all()
        np.testing.assert_allclose(found.std(axis=0)[1:], spread[1:], rtol=0.1)

    def test_a_diagonal_hessian_has_no_spread(self):
        c = np.arange(61.0)
        found = self.draws(RandomDirections(2, Differences(step=0.1)), lambda x: (x**2 @ c)[:, None] / 2, 3)
        np.testing.assert_allclose(found[:, 1], c[:60].sum(), rtol=1e-9)

    def test_passes_are_those_of_the_directions(self):
        assert RandomDirections(8).stencil(self.WANTED, self.DOMAIN, "f8").passes == 1 + 1 + 8 + 1
        assert RandomDirections(8, Differences()).stencil(self.WANTED, self.DOMAIN, "f8").passes == 1 + 2 + 16

    def test_few_coordinates_are_not_drawn(self):
        wanted = [Laplacian((0, 1, 2)), GradSquare((0, 1, 2))]
        drawn, plain = (rule.stencil(wanted, DOMAIN, "f8") for rule in (RandomDirections(3), Taylor()))
        assert (drawn.layout.streams.directions == plain.layout.streams.directions).all()

    def test_sets_of_coordinates_have_directions_of_their_own(self):
        domain = Box(x=(0, 1, 40), y=(0, 1, 40))
        wanted = [Laplacian(tuple(range(40))), Laplacian(tuple(range(40, 80)))]
        directions = RandomDirections(8).stencil(wanted, domain, "f8").layout.streams.directions
        x, y = directions[:8, :40], directions[8:, 40:]
        assert not directions[:8, 40:].any() and not directions[8:, :40].any()
        assert (np.abs(x) == 1).all() and (x != y).any()

    def test_a_rule_of_its_own_is_needed(self):
        with pytest.raises(TypeError, match=r"rule: expected Taylor\(\) or Differences\(\), got SparseGrid"):
            RandomDirections(4, SparseGrid())


class TestRefusals:
    def test_levels_that_cannot_do_it(self):
        for family in ("gauss_hermite", "genz_keister"):
            with pytest.raises(ValueError, match="level: expected at least 3 for second derivatives.*got 2"):
                SparseGrid(level=2, family=family).stencil([LAPLACIAN], DOMAIN, "f8")
            with pytest.raises(ValueError, match="level: expected at least 2 for first derivatives.*got 1"):
                SparseGrid(level=1, family=family).stencil([First(0)], DOMAIN, "f8")

    def test_grids_that_are_too_large(self):
        with pytest.raises(ValueError, match="level: expected at most 131,072 passes per point, got 662,533.*Taylor"):
            SparseGrid(level=5).stencil([LAPLACIAN], Box(x=(0, 1, 31)), "f8")

    @pytest.mark.parametrize("rule", [Differences(step=1e-4), Stein(sigma=1e-4), SparseGrid(sigma=1e-4)], ids=repr)
    def test_steps_below_the_floor(self, rule):
        for wanted, dtype in (([LAPLACIAN], "f8"), ([First(0)], "f4")):
            rule.stencil(wanted, DOMAIN, dtype)
        with pytest.raises(ValueError, match=r"(step|sigma): expected at least 3.5e-04, where second .* float32, got"):
            rule.stencil([LAPLACIAN], DOMAIN, "f4")

    def test_rules_that_drown_in_rounding(self):
        wanted = [First(20), HJB_LAPLACIAN, GradSquare((0, 1))]
        check_precision(Taylor().stencil(wanted, HJB, "f4"), wanted, "f4", 1e-6)
        check_precision(SparseGrid().stencil(wanted, HJB, "f8"), wanted, "f8", 1e-6)
        stencil = SparseGrid().stencil(wanted, HJB, "f4")
        message = (
            r"rule: expected rounding errors of at most 0.01 in float32, got 0.051 in Laplacian of 20 columns: "
            r"SparseGrid\(level=3, sigma=0.1.* multiplies errors of u by 4.26e\+05; use Taylor\(\)"
        )
        with pytest.raises(ValueError, match=message):
            check_precision(stencil, wanted, "f4", 1e-2)
        check_precision(stencil, wanted, "f4", 0.1)
        with pytest.raises(ValueError, match="in GradSquare of column 0 and column 1: "):
            check_precision(stencil, wanted[2:], "f4", 1e-7)

    def test_settings(self):
        for make, message in (
            (lambda: Differences(order=3), "order: expected one of 2, 4, got 3"),
            (lambda: Differences(step=0.0), "step: expected a finite number > 0"),
            (lambda: Stein(n=0), "n: expected an integer >= 1"),
            (lambda: Stein(sigma=-1), "sigma: expected a finite number > 0"),
            (lambda: SparseGrid(family="kronrod"), "family: expected one of"),
            (lambda: SparseGrid(of="v"), "of: expected one of 'u', 'smoothed'"),
            (lambda: SparseGrid(richardson=2), "richardson: expected one of"),
            (lambda: RandomDirections(n=0), "n: expected an integer >= 1"),
        ):
            with pytest.raises(ValueError, match=message):
                make()


@every
def test_rules_are_settings(rule):
    """Rules are equal if their settings are, and their repr shows the settings."""
    assert eval(repr(rule), {t.__name__: t for t in map(type, ALL)}) == rule
    assert rule.bias_order in (None, 2, 4)
