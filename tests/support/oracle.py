"""Gradients from elsewhere: HIPS autograd on forward passes written again from the definition.

Weights of a tensor-train layer are built dense with TensorLy to check the einsum used here.
"""

import autograd.numpy as anp
import numpy as np
from autograd import grad
from tensorly.tt_matrix import tt_matrix_to_matrix


def tt_weights(cores):
    """W (prod inputs, prod outputs) of two cores, by one einsum."""
    first, second = cores
    whole = anp.einsum("aiob,bjpc->ijop", first, second)
    i, j, o, p = whole.shape
    return whole.reshape(i * j, o * p)


class Network:
    """TT (2,3)x(3,2) rank 2 with bias, tanh, linear 6 -> 2 with bias: 44 parameters, in theta's order."""

    shapes = ((1, 2, 3, 2), (2, 3, 2, 1), (6,), (2, 6), (2,))

    def split(self, theta):
        """The parameter tensors of theta."""
        parts, start = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            parts.append(theta[start : start + size].reshape(shape))
            start += size
        assert start == len(theta)
        return parts

    def outputs(self, theta, x):
        """(n, 2)"""
        first, second, tt_bias, weight, bias = self.split(theta)
        hidden = anp.tanh(anp.dot(x, tt_weights((first, second))) + tt_bias)
        return anp.dot(hidden, weight.T) + bias

    def loss(self, theta, x, labels=None, targets=None):
        """Mean over the batch of cross-entropy (labels) or mean squared error (targets)."""
        y = self.outputs(theta, x)
        if labels is None:
            return anp.mean((y - targets) ** 2)
        return anp.mean(anp.log(anp.sum(anp.exp(y), axis=1)) - y[anp.arange(len(x)), labels])

    def gradient(self, theta, x, labels=None, targets=None):
        """Return the gradient of the mean loss, float64."""
        theta = theta.astype(np.float64)
        first, second, *_ = self.split(theta)
        dense = np.asarray(tt_matrix_to_matrix([first, second]))
        assert np.allclose(tt_weights((first, second)), dense, rtol=1e-13, atol=1e-13)
        return grad(self.loss)(theta, x.astype(np.float64), labels, targets)
