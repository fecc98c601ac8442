# SPDX-License-Identifier: MIT
"""Hard conditions: an ansatz u = A + B f that satisfies them for every network f.

B is 0 where the conditions hold. A is built coordinate by coordinate: the
remaining errors at the ends of the next coordinate are interpolated linearly
and added,

    A <- A + (1 - s) (v_low - A at the low end) + s (v_high - A at the high end),  s = (x - low) / (high - low)

which preserves the earlier conditions, because values agree where ends meet
(transfinite interpolation: Gordon, SIAM J. Numer. Anal. 1971; as a PINN ansatz:
Lagaris et al., IEEE Trans. Neural Networks 1998). The values on a coordinate of
several dimensions extend inside by their own formula.
"""

from __future__ import annotations

from numbers import Real

from bpfree.pde.conditions import Initial
from bpfree.pde.known import known


def hard_ansatz(problem):
    """Return the :class:`HardAnsatz` of the problem's hard conditions; None without any.

    Raises ValueError for conditions that no such ansatz satisfies.
    """
    hard = [one for one in problem.conditions if one.hard]
    if not hard:
        return None
    per_output = [[one for one in hard if one.index(problem) == k] for k in range(len(problem.outputs))]
    return HardAnsatz([_Shape(problem.domain, own) for own in per_output], problem.outputs)


class HardAnsatz:
    """The ansatz A + B f of each output: a function (f, c), where f is one output or a namespace of several."""

    def __init__(self, shapes, outputs):
        self.shapes, self.outputs = shapes, outputs

    def __call__(self, f, c):
        if len(self.shapes) == 1:
            return self.shapes[0](f, c)
        return tuple(shape(getattr(f, name), c) for shape, name in zip(self.shapes, self.outputs, strict=True))

    def affine(self, c):
        """Return (A, B) of each output, which do not depend on the network; (0, 1) without conditions."""
        return [shape.affine(c) for shape in self.shapes]


def _refuse(why):
    raise ValueError(f"hard conditions: expected {why}; write `ansatz` by hand, or make a condition soft")


class _Shape:
    """The ansatz A + B f of one output."""

    def __init__(self, domain, conditions):
        self.domain = domain
        self.ends = {}  # {coordinate: {"low": condition, "high": condition}}
        for one in conditions:
            for side in one.sides:
                self.ends.setdefault(one.coordinate, {})[side] = one
        wide = [name for name in self.ends if self._is_wide(name)]
        if len(wide) > 1:
            _refuse(f"at most one coordinate of several dimensions, got {', '.join(wide)}")
        for name in wide:
            if len({id(one) for one in self.ends[name].values()}) > 1:
                _refuse(f"one condition for all ends of {name}, got two")
        self.order = [*wide, *(name for name in self.ends if name not in wide)]
        self.start = self._start(conditions)

    def _start(self, conditions):
        """Return the initial condition with a velocity; None if there is none."""
        for one in conditions:
            if isinstance(one, Initial) and one.velocity is not None:
                others = [other for other in conditions if other is not one]
                if "high" in self.ends["t"] or not all(isinstance(other.value, Real) for other in others):
                    _refuse("numbers as all other values beside a velocity, and no condition at the end of t")
                return one
        return None

    def _is_wide(self, name):
        return len(self.domain.columns(name)) > 1

    def __call__(self, f, c):
        a, b = self.affine(c)
        return a + b * f if self.order else f

    def affine(self, c):
        """Return A and B."""
        return (self._values(c, self.order), self._distance(c)) if self.order else (0.0, 1.0)

    def _values(self, c, names):
        """Return A after these coordinates."""
        if not names:
            return 0.0
        *before, name = names
        a, ends = self._values(c, before), self.ends[name]
        if self._is_wide(name):
            (one,) = {id(one): one for one in ends.values()}.values()
            return a + known(one.name, one.value, c)
        for side, one in ends.items():
            at = c._at(**{name: getattr(self.domain.coordinates[name], side)})
            wrong = known(one.name, one.value, at) - self._values(at, before)
            share = 1.0
            if len(ends) == 2:
                share = self._share(c, name) if side == "high" else 1.0 - self._share(c, name)
            a = a + share * wrong
        if name == "t" and self.start is not None:
            start = self.domain.coordinates["t"].low
            a = a + (c.t - start) * known("velocity", self.start.velocity, c._at(t=start))
        return a

    def _share(self, c, name):
        """Return s, which is 0 at the low end and 1 at the high end."""
        one = self.domain.coordinates[name]
        return (getattr(c, name) - one.low) * (1.0 / (one.high - one.low))

    def _distance(self, c):
        """Return B, a product over coordinates: s for a low end, 1 - s for a high one, 4 s (1 - s) for both.

        Time has the factor s^2 if there is a velocity.
        """
        b = 1.0
        for name, ends in self.ends.items():
            s = self._share(c, name)
            for one in [s[k] for k in range(len(s))] if self._is_wide(name) else [s]:
                if "low" in ends:
                    b = b * one
                if "high" in ends:
                    b = b * (1.0 - one)
                if len(ends) == 2:
                    b = b * 4.0
                if name == "t" and self.start is not None:
                    b = b * one
        return b
