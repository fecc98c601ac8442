"""Derivatives along directions by automatic differentiation, for jets to be compared with."""

import warnings

import autograd.numpy as anp
import numpy as np
from autograd import grad


def streams_of(f, x, streams):
    """Streams (m, count - 1, n) of f: (n, D) -> (n, m) at x (n, D); float64.

    Derivatives by numbers s, t of sum w f(x + s a + t b) are linear in w: their gradients by w are the streams.
    """
    weights = np.ones_like(f(x))

    def mixed(a, b, order):
        def along(s, t, w):
            return anp.sum(w * f(x + s * a + t * b))

        first = grad(along, 0)
        chosen = first if order == 1 else grad(first, 1)
        return grad(chosen, 2)(0.0, 0.0, weights)

    d = streams.directions
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output seems independent of input")  # as second derivatives of lines are
        rows = [mixed(v, v, 1) for v in d]
        rows += [sum(c * mixed(d[a], d[b], 2) for a, b, c in zip(*term)) for term in streams.terms]
    return np.stack(rows).transpose(2, 0, 1)
