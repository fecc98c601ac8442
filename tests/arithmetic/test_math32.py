# SPDX-License-Identifier: MIT
"""The functions of math32: accuracy in ulp, special values, and equality with C bit for bit."""

import numpy as np
import pytest

from bpfree.arithmetic.math32 import cos32, exp32, expm1_32, log1p_32, log32, sigmoid32, sin32, tanh32

TWIN = {"exp": exp32, "log": log32, "tanh": tanh32, "sigmoid": sigmoid32, "sin": sin32, "cos": cos32,
        "expm1": expm1_32, "log1p": log1p_32}  # fmt: skip
EXACT = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sin": np.sin, "cos": np.cos, "expm1": np.expm1, "log1p": np.log1p,
}  # fmt: skip
# The largest errors over all inputs are 0.989, 0.904, 1.333, 2.481, 0.794, 0.800, 3.35 and 2.31 ulp (measured once).
BOUND_ULP = {"exp": 1.0, "log": 1.0, "tanh": 1.5, "sigmoid": 2.5, "sin": 0.8, "cos": 0.85, "expm1": 3.5, "log1p": 2.5}

TINY = np.float32(2.0**-126)  # the smallest normal number
INF = np.float32(np.inf)
NAN = np.float32(np.nan)
EXP_TOP = np.float32(float.fromhex("0x1.62e42ep+6"))
EXP_BOTTOM = np.float32(float.fromhex("-0x1.5d589ep+6"))
TURNS = np.float32(float.fromhex("0x1.921fb6p+13"))  # 8192 pi/2, beyond which sin and cos are constant


def f32(*values):
    return np.array(values, dtype=np.float32)


def random_bits(n, seed):
    """Return random bit patterns: all magnitudes, both signs, subnormals and NaNs."""
    return np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32).view(np.float32)


def landmarks():
    """Return all floats within 8 steps of every point where a formula or a result changes."""
    points = f32(0, TINY, 0.28125, 0.34375, 0.40625, 0.625, 1, 9.01, np.sqrt(0.5), np.sqrt(2), 16.6355, TURNS, INF)
    points = np.concatenate([points, f32(EXP_TOP, EXP_BOTTOM)])
    points = np.concatenate([points, f32(*(2.0 ** np.arange(-149, 128)))])
    steps = points.view(np.uint32)[:, None] + np.arange(-8, 9).astype(np.uint32)
    near = steps.ravel().view(np.float32)
    return np.concatenate([near, -near])


def dense(name):
    low, high = {
        "exp": (-90.0, 90.0), "log": (1e-3, 4.0), "tanh": (-10.0, 10.0), "sigmoid": (-90.0, 20.0),
        "sin": (-13000.0, 13000.0), "cos": (-13000.0, 13000.0), "expm1": (-1.0, 1.0), "log1p": (-0.9, 1.0),
    }[name]  # fmt: skip
    grid = np.linspace(low, high, 400_001, dtype=np.float32)
    if name not in ("sin", "cos"):
        return grid
    # A few turns in fine steps, and the floats around multiples of pi/4: zeros, extrema, changes of polynomial.
    multiples = (np.arange(1, 2 * 8192 + 1) * (np.pi / 4)).astype(np.float32)
    steps = multiples.view(np.uint32)[:, None] + np.arange(-8, 9).astype(np.uint32)
    near = steps.ravel().view(np.float32)
    return np.concatenate([grid, np.linspace(-10, 10, 400_001, dtype=np.float32), near, -near])


def ulps(result, exact):
    """Return |result - exact| in units of the float32 spacing at exact."""
    _, exponent = np.frexp(exact)
    spacing = np.ldexp(1.0, np.maximum(exponent - 24, -149))
    return np.abs(result.astype(np.float64) - exact) / spacing


def same_bits(a, b):
    """Return where results have equal bits or are both NaN."""
    assert a.dtype == b.dtype == np.float32 and a.shape == b.shape
    return (a.view(np.uint32) == b.view(np.uint32)) | (np.isnan(a) & np.isnan(b))


@pytest.mark.parametrize("name", TWIN)
def test_accuracy(name):
    x = np.concatenate([dense(name), random_bits(400_000, seed=1), landmarks()])
    x = x[np.isfinite(x)]
    y = TWIN[name](x)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
    # test_special_values covers where exp leaves the normal range, log is undefined and sin is constant.
    normal = np.isfinite(exact)
    if name == "exp":
        normal = (exact >= TINY) & (x <= EXP_TOP)
    elif name == "sigmoid":
        normal = x >= -EXP_TOP
    elif name == "expm1":
        normal = x <= EXP_TOP
    elif name in ("sin", "cos"):
        normal = np.abs(x) <= TURNS
    assert np.count_nonzero(normal) > 400_000
    assert ulps(y[normal], exact[normal]).max() <= BOUND_ULP[name]


def test_special_values():
    above_top, below_bottom = np.nextafter(EXP_TOP, INF), np.nextafter(EXP_BOTTOM, -INF)
    above_turns = np.nextafter(TURNS, INF)
    sub = f32(2.0**-149, -(2.0**-149), 2.0**-130)
    sin_end, cos_end = f32(np.sin(float(TURNS))).item(), 1 - 2.0**-24
    cases = [
        (exp32, f32(0, -0.0, *sub), f32(1, 1, 1, 1, 1)),
        (exp32, f32(INF, above_top, 1e38), f32(INF, INF, INF)),
        (exp32, f32(-INF, below_bottom, -100, -1e38), f32(0, 0, 0, 0)),
        (exp32, f32(NAN, -NAN), f32(NAN, NAN)),
        (log32, f32(0, -0.0, 1, INF), f32(-INF, -INF, 0, INF)),
        (log32, f32(-1, -(2.0**-149), -INF, -1e38, NAN, -NAN), np.full(6, NAN)),
        (log32, sub[[0, 2]], f32(-149 * np.log(2), -130 * np.log(2))),
        (tanh32, f32(0, -0.0, *sub), f32(0, -0.0, *sub)),
        (tanh32, f32(INF, -INF, 9.1, -9.1, 1e38, -1e38), f32(1, -1, 1, -1, 1, -1)),
        (tanh32, f32(NAN, -NAN), f32(NAN, NAN)),
        (sigmoid32, f32(0, -0.0, *sub), f32(0.5, 0.5, 0.5, 0.5, 0.5)),
        (sigmoid32, f32(INF, 16.636, 1e38), f32(1, 1, 1)),
        (sigmoid32, f32(-INF, -above_top, -1e38), f32(0, 0, 0)),
        (sigmoid32, f32(NAN, -NAN), f32(NAN, NAN)),
        (sin32, f32(0, -0.0, *sub, 4e-4, -4e-4), f32(0, -0.0, *sub, 4e-4, -4e-4)),
        (sin32, f32(TURNS, above_turns, -above_turns, 1e38), f32(sin_end, sin_end, -sin_end, sin_end)),
        (sin32, f32(INF, -INF, NAN, -NAN), f32(NAN, NAN, NAN, NAN)),
        (cos32, f32(0, -0.0, *sub, 1e-4), f32(1, 1, 1, 1, 1, 1)),
        (cos32, f32(TURNS, above_turns, -above_turns, -1e38), f32(cos_end, cos_end, cos_end, cos_end)),
        (cos32, f32(INF, -INF, NAN, -NAN), f32(NAN, NAN, NAN, NAN)),
    ]
    for function, x, expected in cases:
        y = function(x)
        assert same_bits(y, expected).all(), f"{function.__name__}({x}) = {y}, not {expected}"
    # The last finite and the last normal result of exp.
    assert np.isfinite(exp32(f32(EXP_TOP))).all()
    assert exp32(f32(EXP_BOTTOM))[0] >= TINY


def test_exp_has_no_subnormal_result_and_tanh_is_odd_and_bounded():
    x = np.concatenate([random_bits(200_000, seed=2), landmarks(), dense("exp")])
    x = x[~np.isnan(x)]
    y = exp32(x)
    assert ((y == 0) | (y >= TINY)).all()
    assert (np.abs(tanh32(x)) <= 1).all()
    assert same_bits(tanh32(-x), -tanh32(x)).all()


def test_sigmoid_stays_between_0_and_1():
    x = np.concatenate([random_bits(200_000, seed=4), landmarks(), dense("sigmoid")])
    y = sigmoid32(x[~np.isnan(x)])
    assert ((y >= 0) & (y <= 1)).all()


def test_sin_is_odd_cos_is_even_and_both_are_bounded():
    x = np.concatenate([random_bits(200_000, seed=5), landmarks(), dense("sin")])
    x = x[np.isfinite(x)]
    sin, cos = sin32(x), cos32(x)
    assert same_bits(sin32(-x), -sin).all() and same_bits(cos32(-x), cos).all()
    assert (np.abs(sin) <= 1).all() and (np.abs(cos) <= 1).all()


@pytest.mark.parametrize("function", TWIN.values())
def test_shape_and_dtype(function):
    grid = np.linspace(0.1, 2, 24, dtype=np.float32)
    flat = function(grid)
    assert same_bits(function(grid.reshape(2, 3, 4)), flat.reshape(2, 3, 4)).all()
    assert same_bits(function(grid[::-2]), flat[::-2]).all()  # not contiguous
    assert same_bits(function(grid.reshape(4, 6).T), flat.reshape(4, 6).T).all()
    scalar = function(np.array(grid[5]))
    assert scalar.shape == () and scalar == flat[5]
    assert function(f32()).shape == (0,)


@pytest.mark.parametrize("function", TWIN.values())
@pytest.mark.parametrize(
    ("x", "given"), [(np.ones(2), "float64"), (np.ones(2, np.int32), "int32"), ([1.0], "list")]
)
def test_other_dtypes_are_refused(function, x, given):
    with pytest.raises(TypeError, match=rf"x: expected dtype float32 for {function.__name__}, got {given}"):
        function(x)


@pytest.mark.parametrize("name", TWIN)
def test_same_bits_as_c(name):
    from bpfree import native

    x = np.concatenate([random_bits(1_000_000, seed=3), landmarks(), dense(name)])
    ours, theirs = TWIN[name](x), native.math32(name, x)
    differ = np.flatnonzero(~same_bits(ours, theirs))
    assert differ.size == 0, (
        f"{name}: {differ.size} of {x.size} differ, first at x = {float(x[differ[0]]).hex()}: "
        f"NumPy {float(ours[differ[0]]).hex()}, C {float(theirs[differ[0]]).hex()}"
    )
