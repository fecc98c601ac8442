# SPDX-License-Identifier: MIT
"""Arithmetic on dual numbers: a formula is evaluated once, and its derivatives by what it reads come with it, exactly.

Forward mode (Wengert, Communications of the ACM 1964): y = f(a, b) has the slopes y' = f_a a' + f_b b', where
:mod:`bpfree.pde.partials` has f_a and f_b. What would lose the slopes without a word - float(x), np.asarray(x), sums or
parts along the points - raises LeavesNumPy instead, and :mod:`bpfree.pde.sensitivities` takes differences.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from bpfree.pde.partials import CONSTANT, PARTIALS


class LeavesNumPy(TypeError):
    """A formula does something to a dual number that has no derivative here."""


class Dual(NDArrayOperatorsMixin):
    """Numbers with their derivatives: plain (..., n) at n points, slopes (K, ..., n) by K quantities at each point.

    A number that is the same at all points is plain () with slopes (K,).

    >>> x = Dual(np.array([1.0, 4.0]), np.ones((1, 2)))
    >>> (np.sqrt(x) * x).slopes.tolist()  # 1.5 sqrt(x)
    [[1.5, 3.0]]
    """

    def __init__(self, plain, slopes):
        self.plain, self.slopes = np.asarray(plain), slopes

    @property
    def shape(self):
        """The shape of the numbers."""
        return self.plain.shape

    @property
    def ndim(self):
        """The number of axes."""
        return self.plain.ndim

    @property
    def dtype(self):
        """The type of the numbers."""
        return self.plain.dtype

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if any(_knows_duals(type(one)) for one in inputs):
            return NotImplemented
        if method != "__call__" or options or (out is not None and out[0] is not self):
            raise LeavesNumPy(f"{ufunc.__name__}.{method}")
        plain = [plain_of(one) for one in inputs]
        if ufunc in CONSTANT:
            return ufunc(*plain)
        made = _matmul(*inputs) if ufunc is np.matmul else _chain(ufunc, plain, inputs)
        if out is None or not self.ndim:  # a number is replaced by x += y
            return made
        self.plain[...], self.slopes[...] = made.plain, made.slopes  # an array is changed, and so are views of it
        return self

    def __array_function__(self, function, types, args, kwargs):
        if any(map(_knows_duals, types)):
            return NotImplemented
        if function not in _FUNCTIONS:
            raise LeavesNumPy(function.__name__)
        return _FUNCTIONS[function](*args, **kwargs)

    def __array__(self, dtype=None, copy=None):
        raise LeavesNumPy("an array of plain numbers")

    def _refuse(self, *_):
        raise LeavesNumPy("a plain number")

    __float__ = __int__ = __complex__ = __index__ = __round__ = _refuse

    def __bool__(self):
        return bool(self.plain)

    def __len__(self):
        return len(self.plain)

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index):
        own = self._index(index)
        return Dual(self.plain[index], self.slopes[own])

    def __setitem__(self, index, value):
        own = self._index(index)
        self.plain[index] = plain_of(value)
        self.slopes[own] = _aligned(value, self.plain[index].ndim)

    def _index(self, index):
        """Return the same index for the slopes; raise where it does not take all points."""
        index = index if isinstance(index, tuple) else (index,)
        all_last = isinstance(index[-1], slice) and index[-1] == slice(None)
        axes = sum(one is not None and one is not Ellipsis for one in index)
        inner = any(one is Ellipsis for one in index[:-1])
        masks = any(np.asarray(one).dtype.kind == "b" for one in index if isinstance(one, list | np.ndarray))
        if masks or not (all_last or (axes < self.ndim and not inner)):
            raise LeavesNumPy("some of the points")
        return (slice(None), *index)

    def sum(self, axis=None):
        """Return the sum over an axis other than that of the points."""
        if axis is None or axis % max(self.ndim, 1) == self.ndim - 1:
            raise LeavesNumPy("a sum over points")
        return Dual(self.plain.sum(axis=axis), self.slopes.sum(axis=axis % self.ndim + 1))

    def mean(self, axis=None):
        """Return the mean over an axis other than that of the points."""
        return self.sum(axis) * (1.0 / self.shape[axis])

    def copy(self):
        """Return a copy."""
        return Dual(self.plain.copy(), self.slopes.copy())


def seeded(values, number: int, count: int) -> Dual:
    """Return values as the one of `count` quantities with this number, so that its slope by itself is 1."""
    slopes = np.zeros((count, *np.shape(values)))
    slopes[number] = 1.0
    return Dual(np.array(values, float), slopes)


def plain_of(x):
    """Return the numbers without their slopes."""
    return x.plain if isinstance(x, Dual) else x


def slopes_of(x, count: int, shape) -> np.ndarray:
    """Return the slopes (count, *shape), which are 0 for a number without any."""
    found = _aligned(x, len(shape))
    return np.broadcast_to(found, (count, *shape))


def at_points(x, own: slice):
    """Return the numbers at some of the points."""
    return Dual(x.plain[..., own], x.slopes[..., own]) if isinstance(x, Dual) else x[..., own]


def as_numbers(x, dtype=None):
    """Return np.asarray(x, dtype), or a dual number as it is."""
    return x if isinstance(x, Dual) else np.asarray(x, dtype)


def _knows_duals(kind) -> bool:
    """Whether this is a field or a jet, whose own arithmetic handles dual numbers."""
    return issubclass(kind, NDArrayOperatorsMixin) and kind is not Dual


def _aligned(x, ndim: int):
    """Return slopes with ones between K and the axes, so that they broadcast as numbers of `ndim` axes do."""
    if not isinstance(x, Dual):
        return np.zeros((1,) * (ndim + 1))
    if x.ndim > ndim:
        raise LeavesNumPy("fewer axes")
    return x.slopes.reshape(len(x.slopes), *(1,) * (ndim - x.ndim), *x.shape)


@np.errstate(all="ignore")  # a derivative that is not finite is a result, which the solver reports
def _chain(ufunc, plain, inputs):
    if ufunc not in PARTIALS:
        raise LeavesNumPy(ufunc.__name__)
    y, total = ufunc(*plain), 0.0
    for partial, one in zip(PARTIALS[ufunc], inputs, strict=True):
        if isinstance(one, Dual):
            total = total + _times(partial(y, *plain), _aligned(one, np.ndim(y)))
    return Dual(y, _whole(total, y))


def _whole(slopes, y):
    """Return slopes in the shape of the numbers, as an array of its own."""
    shape = (len(slopes), *np.shape(y))
    return slopes if slopes.shape == shape else np.broadcast_to(slopes, shape).copy()


def _times(partial, slopes):
    """Return their product; what does not move is 0, also under a root at 0, whose slope is infinite."""
    moved = partial * slopes
    return moved if np.isfinite(partial).all() else np.where(slopes == 0.0, 0.0, moved)


def _matmul(a, b):
    """A matrix or a vector times components (k, n)."""
    if isinstance(a, Dual) or np.ndim(a) not in (1, 2) or b.ndim != 2:
        raise LeavesNumPy("matmul")
    return Dual(a @ b.plain, a @ b.slopes)


def _where(condition, a, b):
    condition, plain = plain_of(condition), (plain_of(a), plain_of(b))
    y = np.where(condition, *plain)
    slopes = np.where(condition, _aligned(a, y.ndim), _aligned(b, y.ndim))
    return Dual(y, _whole(slopes, y))


def _stack(parts, axis: int = 0):
    y = np.stack([plain_of(one) for one in parts], axis)
    return _put_together(np.stack, y, parts, axis, y.ndim)


def _concatenate(parts, axis: int = 0):
    y = np.concatenate([plain_of(one) for one in parts], axis)
    return _put_together(np.concatenate, y, parts, axis, y.ndim)


def _put_together(function, y, parts, axis, ndim):
    if axis % ndim == ndim - 1:
        raise LeavesNumPy(f"{function.__name__} along the points")
    count = max(len(one.slopes) for one in parts if isinstance(one, Dual))
    return Dual(y, function([slopes_of(one, count, np.shape(plain_of(one))) for one in parts], axis % ndim + 1))


def _broadcast_to(x, shape):
    return Dual(np.broadcast_to(x.plain, shape), slopes_of(x, len(x.slopes), shape))


def _clip(x, low=None, high=None):
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _norm(x, axis=None):
    return np.sqrt(np.square(x).sum(axis))


def _einsum(spec: str, *operands):
    """A product whose operands have the points last, as the result has them."""
    inputs, output = spec.replace(" ", "").split("->")
    inputs, total = inputs.split(","), 0.0
    for k, one in enumerate(operands):
        if isinstance(one, Dual):
            if inputs[k][-1:] != output[-1:] or any(output[-1:] in part[:-1] for part in [*inputs, output]):
                raise LeavesNumPy("einsum over points")
            names = [f"Z{part}" if k == j else part for j, part in enumerate(inputs)]
            parts = [one.slopes if k == j else plain_of(other) for j, other in enumerate(operands)]
            total = total + np.einsum(f"{','.join(names)}->Z{output}", *parts)
    return Dual(np.einsum(spec, *map(plain_of, operands)), total)


_FUNCTIONS = {
    np.where: _where,
    np.stack: _stack,
    np.concatenate: _concatenate,
    np.broadcast_to: _broadcast_to,
    np.clip: _clip,
    np.einsum: _einsum,
    np.linalg.norm: _norm,
    np.sum: lambda x, axis=None: x.sum(axis),
    np.mean: lambda x, axis=None: x.mean(axis),
    np.copy: lambda x: x.copy(),
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.zeros_like: lambda x: np.zeros_like(x.plain),
    np.ones_like: lambda x: np.ones_like(x.plain),
    np.full_like: lambda x, value: np.full_like(x.plain, value),
}
"""What NumPy's other functions do with dual numbers."""
