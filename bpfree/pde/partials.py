# SPDX-License-Identifier: MIT
"""Partial derivatives of NumPy's functions, and of a few of scipy.special, from which dual numbers are computed."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, erf, erfc, expit, gammaln, ndtr


def _power_by_base(y, x, p):
    return np.where(p == 0, 0.0, p * x ** np.where(p == 0, 1.0, p - 1.0))


def _power_by_exponent(y, x, p):
    return np.where(x > 0, y * np.log(x), 0.0)


PARTIALS = {
    np.add: (lambda y, a, b: 1.0, lambda y, a, b: 1.0),
    np.subtract: (lambda y, a, b: 1.0, lambda y, a, b: -1.0),
    np.multiply: (lambda y, a, b: b, lambda y, a, b: a),
    np.divide: (lambda y, a, b: 1.0 / b, lambda y, a, b: -y / b),
    np.remainder: (lambda y, a, b: 1.0, lambda y, a, b: -np.floor(a / b)),
    np.power: (_power_by_base, _power_by_exponent),
    np.float_power: (_power_by_base, _power_by_exponent),
    np.hypot: (lambda y, a, b: a / y, lambda y, a, b: b / y),
    np.arctan2: (lambda y, a, b: b / (a * a + b * b), lambda y, a, b: -a / (a * a + b * b)),
    np.logaddexp: (lambda y, a, b: np.exp(a - y), lambda y, a, b: np.exp(b - y)),
    np.maximum: (lambda y, a, b: a >= b, lambda y, a, b: a < b),
    np.minimum: (lambda y, a, b: a <= b, lambda y, a, b: a > b),
    np.fmax: (lambda y, a, b: a >= b, lambda y, a, b: a < b),
    np.fmin: (lambda y, a, b: a <= b, lambda y, a, b: a > b),
    np.negative: (lambda y, x: -1.0,),
    np.positive: (lambda y, x: 1.0,),
    np.absolute: (lambda y, x: np.sign(x),),
    np.fabs: (lambda y, x: np.sign(x),),
    np.square: (lambda y, x: 2.0 * x,),
    np.reciprocal: (lambda y, x: -y * y,),
    np.sqrt: (lambda y, x: 0.5 / y,),
    np.cbrt: (lambda y, x: 1.0 / (3.0 * y * y),),
    np.exp: (lambda y, x: y,),
    np.exp2: (lambda y, x: y * np.log(2.0),),
    np.expm1: (lambda y, x: y + 1.0,),
    np.log: (lambda y, x: 1.0 / x,),
    np.log2: (lambda y, x: 1.0 / (x * np.log(2.0)),),
    np.log10: (lambda y, x: 1.0 / (x * np.log(10.0)),),
    np.log1p: (lambda y, x: 1.0 / (1.0 + x),),
    np.sin: (lambda y, x: np.cos(x),),
    np.cos: (lambda y, x: -np.sin(x),),
    np.tan: (lambda y, x: 1.0 + y * y,),
    np.arcsin: (lambda y, x: 1.0 / np.sqrt(1.0 - x * x),),
    np.arccos: (lambda y, x: -1.0 / np.sqrt(1.0 - x * x),),
    np.arctan: (lambda y, x: 1.0 / (1.0 + x * x),),
    np.sinh: (lambda y, x: np.cosh(x),),
    np.cosh: (lambda y, x: np.sinh(x),),
    np.tanh: (lambda y, x: 1.0 - y * y,),
    np.arcsinh: (lambda y, x: 1.0 / np.sqrt(x * x + 1.0),),
    np.arccosh: (lambda y, x: 1.0 / np.sqrt(x * x - 1.0),),
    np.arctanh: (lambda y, x: 1.0 / (1.0 - x * x),),
    erf: (lambda y, x: 2.0 / np.sqrt(np.pi) * np.exp(-x * x),),
    erfc: (lambda y, x: -2.0 / np.sqrt(np.pi) * np.exp(-x * x),),
    expit: (lambda y, x: y * (1.0 - y),),
    gammaln: (lambda y, x: digamma(x),),
    ndtr: (lambda y, x: np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi),),
}
"""The derivatives of y = f(x, ...) by each argument, as functions of (y, x, ...)."""

CONSTANT = {
    *(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal),
    *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.isnan, np.isfinite, np.isinf, np.signbit),
    *(np.sign, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.heaviside),
}
"""Functions that are constant between jumps: their results are plain."""
