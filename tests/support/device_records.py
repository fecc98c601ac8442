"""What a device's record stands for, worked out apart from the package."""

import numpy as np


def gradient_of(trainer, words) -> np.ndarray:
    """The computer's record (1, n_theta) of a device's floats: of UnitWise in factors, the mean of outer products.

    One sample after the other, one rounding a product and one a sum.
    """
    if len(words) == trainer.n_record:
        return np.asarray(words).reshape(trainer.record_shape)
    layers = [node for node in trainer.graph.nodes if any(not part.frozen for part in trainer.graph.slices_of(node))]
    gradient, words = np.zeros(trainer.graph.n_theta, np.float32), iter(np.asarray(words, np.float32))
    for _ in range(trainer.batch_size):
        for node in reversed(layers):
            delta, x = (np.array([next(words) for _ in range(n)]) for n in (node.site.outputs, node.site.features))
            for part, values in zip(trainer.graph.slices_of(node), (delta[:, None] * x, delta), strict=False):
                if not part.frozen:
                    gradient[part.range] += values.ravel()
    assert next(words, None) is None
    return gradient[None] * (np.float32(1) / np.float32(trainer.batch_size))
