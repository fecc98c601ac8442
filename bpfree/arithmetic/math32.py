# SPDX-License-Identifier: MIT
"""exp, log, tanh, sigmoid, sin and cos for float32 arrays with the same bits as the C runtime.

The twin of ``runtime_c/src/math32.h`` does the same operations on the same constants in the same
order, one NumPy call each, so that every result but the payload of a NaN is equal bit for bit.
NumPy's own exp, log, tanh and sin differ in the last bit from one version and CPU to the next.
Only + - * /, comparisons and bit patterns are used, all of which are exactly rounded everywhere.

Errors are in ulp of the exact result, the largest over all 2^32 inputs.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cos32", "exp32", "expm1_32", "log1p_32", "log32", "sigmoid32", "sin32", "tanh32"]


def _f32(text: str) -> np.float32:
    """Return a constant in C's hex notation as float32, a type that NumPy never promotes to float64."""
    return np.float32(float.fromhex(text))


_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
_ZERO = np.float32(0)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_TWO = np.float32(2)
_TINY = _f32("0x1p-126")  # the smallest normal number

_LN2_HI = _f32("0x1.62e4p-1")  # 15 bits, so its product with an integer up to 150 is exact
_LN2_LO = _f32("0x1.7f7d1cp-20")

_EXP_TOP = _f32("0x1.62e42ep+6")  # largest x with a finite result
_EXP_BOTTOM = _f32("-0x1.5d589ep+6")  # smallest x with a normal result
_LOG2E = _f32("0x1.715476p+0")
_MAGIC = _f32("0x1.8p+23")  # its ulp is 1, so adding it rounds to an integer
_SQRT_HALF = np.uint32(0x3F3504F3)  # bits of sqrt(1/2)

_TURNS = _f32("0x1.921fb6p+13")  # 8192 pi/2, at which larger arguments of sin and cos are clipped
_TWO_OVER_PI = _f32("0x1.45f306p-1")


def _poly(*texts: str) -> tuple[np.float32, ...]:
    """Return coefficients for Horner's rule, the highest power first."""
    return tuple(map(_f32, texts))


_EXP_POLY = _poly(
    *("0x1.6a4eccp-10", "0x1.12399cp-7", "0x1.5558b0p-5", "0x1.555492p-3", "0x1.fffffcp-2"),
)
_LOG_POLY = _poly(
    *("-0x1.38c910p-4", "0x1.055e62p-3", "-0x1.0d8232p-3", "0x1.22d936p-3"),
    *("-0x1.54728cp-3", "0x1.99a01cp-3", "-0x1.000226p-2", "0x1.555554p-2"),
)
_TANH_POLY = _poly(
    *("-0x1.750ce4p-8", "0x1.51f8cep-6", "-0x1.b835a4p-5", "0x1.1106f6p-3", "-0x1.555532p-2"),
)
_SIN_POLY = _poly("-0x1.9951eap-13", "0x1.110774p-7", "-0x1.555546p-3")
_COS_POLY = _poly("0x1.99e80cp-16", "-0x1.6c0c28p-10", "0x1.55554ap-5")
# Parts of pi/2.  All but the last have 11 bits or fewer, so their products with n <= 8192 are exact.
_HALF_PI = tuple(map(_f32, ("0x1.92p+0", "0x1.fb4p-12", "0x1.444p-24", "0x1.68c234p-39")))


def _checked(x: np.ndarray, name: str) -> np.ndarray:
    dtype = getattr(x, "dtype", None)
    if dtype != np.float32:
        given = type(x).__name__ if dtype is None else dtype
        raise TypeError(f"x: expected dtype float32 for {name}, got {given}")
    return np.asarray(x)


def _horner(coefficients: tuple[np.float32, ...], x: np.ndarray) -> np.ndarray:
    value = coefficients[0]
    for c in coefficients[1:]:
        value = value * x + c
    return value


def exp32(x: np.ndarray) -> np.ndarray:
    """e to the power x, elementwise, at most 0.989 ulp off.

    exp(x) = 2^n exp(r) with n = round(x / ln 2) and r = x - n ln 2, where
    exp(r) ~ 1 + (r + r^2 q(r)) with q of degree 4.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    x > 88.72283 gives inf; x < -87.33654 gives 0 (no subnormal results); NaN gives NaN.
    Raises TypeError if x is not float32.

    Source: argument reduction of W. J. Cody and W. Waite, "Software Manual for the Elementary
    Functions" (1980); coefficients fitted for this project.

    >>> exp32(np.array([-np.inf, 0, 1], dtype=np.float32))
    array([0.       , 1.       , 2.7182817], dtype=float32)
    """
    x = _checked(x, "exp32")
    with np.errstate(all="ignore"):
        c = np.where(x > _EXP_BOTTOM, x, _EXP_BOTTOM)  # NaN becomes bottom, too
        c = np.where(c < _EXP_TOP, c, _EXP_TOP)
        t = c * _LOG2E + _MAGIC
        n = t - _MAGIC
        r = (c - n * _LN2_HI) - n * _LN2_LO
        y = _ONE + _small_expm1(r)
        # The low bits of t hold n; the shift drops those of magic.  Adding to the exponent
        # field instead of multiplying by 2^n reaches n = 128, which has no float of its own.
        y = (y.view(np.uint32) + (t.view(np.uint32) << np.uint32(23))).view(np.float32)
        y = np.where(x < _EXP_BOTTOM, _ZERO, y)
        y = np.where(x > _EXP_TOP, _INF, y)
        return np.where(np.isnan(x), x, y)


def _small_expm1(r: np.ndarray) -> np.ndarray:
    return r + (r * r) * _horner(_EXP_POLY, r)


def expm1_32(x: np.ndarray) -> np.ndarray:
    """e to the power x, minus 1, elementwise, at most 3.35 ulp off.

    x + x^2 q(x) with the polynomial of `exp32` where |x| < 0.34375, else exp(x) - 1.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    -0 gives 0; x > 88.72283 gives inf; NaN gives NaN. Raises TypeError if x is not float32.

    >>> expm1_32(np.array([-np.inf, 0, 1e-8], dtype=np.float32))
    array([-1.e+00,  0.e+00,  1.e-08], dtype=float32)
    """
    x = _checked(x, "expm1_32")
    with np.errstate(all="ignore"):
        return np.where((x < np.float32(0.34375)) & (x > np.float32(-0.34375)), _small_expm1(x), exp32(x) - _ONE)


def log32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of x, elementwise, at most 0.904 ulp off.

    With x = 2^e (1 + f) and sqrt(1/2) <= 1 + f < sqrt(2),
    log(x) = e ln 2 + f - f^2 / 2 + f^3 p(f) with p of degree 7.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    0 gives -inf; x < 0 gives NaN; inf gives inf; subnormal x is as accurate as the rest;
    NaN gives NaN.  Raises TypeError if x is not float32.

    Source: reduction of Cody and Waite (1980); T. J. Dekker, "A floating-point
    technique for extending the available precision" (1971) for the error of e ln 2 + f;
    coefficients fitted for this project.

    >>> log32(np.array([0, 1, 10], dtype=np.float32))
    array([     -inf, 0.       , 2.3025851], dtype=float32)
    """
    x = _checked(x, "log32")
    with np.errstate(all="ignore"):
        # Subnormals are made normal first, by a factor of 2^23 for which e is reduced by 23.
        subnormal = x < _TINY
        m = np.where(subnormal, x * np.float32(1 << 23), x)
        bias = np.where(subnormal, np.float32((1 << 23) + 150), np.float32((1 << 23) + 127))
        # Shifted so that the exponent field steps at sqrt(1/2) instead of 1.
        u = m.view(np.uint32) + (np.uint32(0x3F800000) - _SQRT_HALF)
        e = (np.uint32(0x4B000000) + (u >> np.uint32(23))).view(np.float32) - bias
        f = ((u & np.uint32(0x007FFFFF)) + _SQRT_HALF).view(np.float32) - _ONE
        f2 = f * f
        hi = e * _LN2_HI
        total = hi + f
        lost = f - (total - hi)  # exact, because hi is 0 or larger than f
        p = _horner(_LOG_POLY, f)
        y = total + (lost + (e * _LN2_LO + ((f2 * f) * p - _HALF * f2)))
        y = np.where(x < _INF, y, x)  # +inf, NaN
        y = np.where(x > _ZERO, y, _NAN)
        return np.where(x == _ZERO, -_INF, y)


def log1p_32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of 1 + x, elementwise, at most 2.31 ulp off.

    x - x^2 / 2 + x^3 p(x) with the polynomial of `log32` where -0.28125 < x < 0.40625, else log(1 + x).

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    Zeros keep their sign; -1 gives -inf; x < -1 gives NaN; inf gives inf; NaN gives NaN.
    Raises TypeError if x is not float32.

    >>> log1p_32(np.array([-1, 0, 1], dtype=np.float32))
    array([     -inf, 0.       , 0.6931472], dtype=float32)
    """
    x = _checked(x, "log1p_32")
    with np.errstate(all="ignore"):
        x2 = x * x
        small = x + ((x2 * x) * _horner(_LOG_POLY, x) - _HALF * x2)
        return np.where((x < np.float32(0.40625)) & (x > np.float32(-0.28125)), small, log32(_ONE + x))


def tanh32(x: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent of x, elementwise, at most 1.333 ulp off.

    tanh(|x|) ~ |x| + |x| (x^2 p(x^2)) with p of degree 4 where |x| < 0.625, and
    1 - 2 / (exp(2|x|) + 1) elsewhere; the sign of x is restored last.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    |x| > 9.010913 gives +-1; zeros keep their sign; subnormal x gives x; NaN gives NaN.
    Raises TypeError if x is not float32.

    Source: Cody and Waite (1980); coefficients fitted for this project.

    >>> tanh32(np.array([-np.inf, -0.0, 0.5], dtype=np.float32))
    array([-1.        , -0.        ,  0.46211717], dtype=float32)
    """
    x = _checked(x, "tanh32")
    with np.errstate(all="ignore"):
        bits = x.view(np.uint32)
        sign = bits & np.uint32(0x80000000)
        a = (bits ^ sign).view(np.float32)
        z = a * a
        large = _ONE - _TWO / (exp32(a + a) + _ONE)
        small = a + a * (z * _horner(_TANH_POLY, z))
        y = np.where(a < np.float32(0.625), small, large)  # NaN takes large, which is NaN
        return (y.view(np.uint32) | sign).view(np.float32)


def sigmoid32(x: np.ndarray) -> np.ndarray:
    """Logistic function 1 / (1 + exp(-x)), elementwise, at most 2.481 ulp off.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    x > 16.63553 gives 1; x < -88.72283 gives 0, just above which the results are subnormal;
    NaN gives NaN.  Raises TypeError if x is not float32.

    >>> sigmoid32(np.array([-np.inf, 0, 2], dtype=np.float32))
    array([0.      , 0.5     , 0.880797], dtype=float32)
    """
    x = _checked(x, "sigmoid32")
    with np.errstate(all="ignore"):
        return _ONE / (_ONE + exp32(-x))


def _turned_sin(a: np.ndarray, quarter: int) -> np.ndarray:
    """sin(a + quarter pi/2) for a >= 0, which sin and cos share.

    With n = round(a / (pi/2)) and r = a - n pi/2 kept as hi + lo, z = hi^2, p and q of degree 2,
    sin(r) ~ hi + (lo (1 - z/2) + hi z p(z)) and cos(r) ~ 1 - z/2 + (z^2 q(z) - hi lo).
    """
    c = np.where(a < _TURNS, a, _TURNS)  # NaN becomes the limit, too
    t = c * _TWO_OVER_PI + _MAGIC
    n = t - _MAGIC
    r = (c - n * _HALF_PI[0]) - n * _HALF_PI[1]
    w = n * _HALF_PI[2]
    hi = r - w
    lo = ((r - hi) - w) - n * _HALF_PI[3]
    z = hi * hi
    h = _HALF * z
    one_h = _ONE - h
    turn = t.view(np.uint32) + np.uint32(quarter)  # the low bits of t hold n
    p = hi + (lo * one_h + (hi * z) * _horner(_SIN_POLY, z))
    q = one_h + (((_ONE - one_h) - h) + ((z * z) * _horner(_COS_POLY, z) - hi * lo))
    y = np.where((turn & np.uint32(1)).astype(bool), q, p)
    y = (y.view(np.uint32) ^ ((turn & np.uint32(2)) << np.uint32(30))).view(np.float32)
    return np.where(a < _INF, y, _NAN)


def sin32(x: np.ndarray) -> np.ndarray:
    """Sine of x in radians, elementwise, at most 0.794 ulp off where |x| <= 12867.964.

    |x| - n pi/2 with n = round(|x| / (pi/2)) is formed from four parts of pi/2, exactly but for
    the last; polynomials give its sine or cosine, depending on n; the sign of x is restored last.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    |x| > 12867.964 = 8192 pi/2 gives the value at that limit, 0.000358 with the sign of x;
    +-inf and NaN give NaN; zeros keep their sign; subnormal x gives x.
    Raises TypeError if x is not float32.

    Source: reduction of Cody and Waite (1980), with Dekker's (1971) error of a difference;
    coefficients fitted for this project.

    >>> sin32(np.array([-0.0, 0.5, 12345], dtype=np.float32))
    array([-0.        ,  0.47942555, -0.9937716 ], dtype=float32)
    """
    x = _checked(x, "sin32")
    with np.errstate(all="ignore"):
        bits = x.view(np.uint32)
        sign = bits & np.uint32(0x80000000)
        y = _turned_sin((bits ^ sign).view(np.float32), 0)
        return (y.view(np.uint32) ^ sign).view(np.float32)


def cos32(x: np.ndarray) -> np.ndarray:
    """Cosine of x in radians, elementwise, at most 0.800 ulp off where |x| <= 12867.964.

    It is sin(|x| + pi/2), with the quarter turn added to n: see sin32.

    ``x``: float32 array of any shape; the result has the same shape and dtype.
    |x| > 12867.964 = 8192 pi/2 gives the value at that limit, 1 - 2^-24; +-inf and NaN give NaN.
    Raises TypeError if x is not float32.

    Source: that of sin32.

    >>> cos32(np.array([0, 0.5, 12345], dtype=np.float32))
    array([1.        , 0.87758255, 0.11143579], dtype=float32)
    """
    x = _checked(x, "cos32")
    with np.errstate(all="ignore"):
        a = (x.view(np.uint32) & np.uint32(0x7FFFFFFF)).view(np.float32)
        return _turned_sin(a, 1)
