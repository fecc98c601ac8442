"""Known functions in the place of a network, and a rule's answers beside exact derivatives."""

import numpy as np

import bpfree as bf
from bpfree.pde.network import Network
from bpfree.pde.wanted import First, GradSquare, Laplacian, Second


class Function(Network):
    """f(points) -> (n, m) in the place of a network, as far as rules that shift points are concerned."""

    def __init__(self, f, dtype=np.float64, outputs=1):
        super().__init__(bf.Sequential(1, [bf.Linear(outputs)]).graph, np.zeros(0), bf.ReferenceEngine(dtype=dtype))
        self.f = f

    def values(self, theta, points):
        """(m, n)"""
        return np.asarray(self.f(points), self.dtype).T


class Waves:
    """u_o = sum_w a_ow sin(k_w . x + b_w): a function of any number of dimensions with all its derivatives."""

    def __init__(self, dim, outputs=2, waves=3, size=1.0, seed=0):
        r = np.random.default_rng(seed)
        self.k = r.standard_normal((waves, dim)) * size / np.sqrt(dim)
        self.a, self.b = r.standard_normal((outputs, waves)), r.uniform(0, 6, waves)

    def __call__(self, x):
        return np.sin(x @ self.k.T + self.b) @ self.a.T

    def exact(self, quantity, x):
        """(m, n)"""
        phase, k = x @ self.k.T + self.b, self.k
        if isinstance(quantity, First):
            return self.a @ (np.cos(phase) * k[:, quantity.i]).T
        if isinstance(quantity, Second):
            return -self.a @ (np.sin(phase) * k[:, quantity.i] * k[:, quantity.j]).T
        if isinstance(quantity, Laplacian):
            return sum(self.exact(Second(i, i), x) for i in quantity.columns)
        assert isinstance(quantity, GradSquare)
        return sum(self.exact(First(i), x) ** 2 for i in quantity.columns)


def estimates(network, stencil, points, theta=None):
    """{quantity: (m, n)} of everything that a stencil's layout was asked for, and None: the value."""
    value, rest = network.jets(np.zeros(0) if theta is None else theta, points, stencil)
    return {None: value} | {q: stencil.layout.read(q, rest) for q in stencil.layout.wanted}
