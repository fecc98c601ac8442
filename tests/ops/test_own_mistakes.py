"""Mistakes in operations of one's own are said by name, or do no harm."""

import numpy as np
import pytest
from helpers import floats

import bpfree as bf
from bpfree.engines import ReferenceEngine


def like_input(attributes, shapes):
    return shapes[0]


def identity(site, arithmetic, parameters, inputs):
    return inputs[0]


def rising(site, arithmetic, parameters, inputs):
    return inputs[0] * np.arange(1, 1 + len(inputs[0]), dtype=inputs[0].dtype)[:, None]


def by_features(site, arithmetic, parameters, inputs):
    return inputs[0] * inputs[0].dtype.type(site.features)


def centred(site, arithmetic, parameters, inputs):
    return inputs[0] - inputs[0].mean(axis=0)


def ones(site, arithmetic, x, y):
    return np.ones_like(x)


def own(forward=identity, name="own", infer=like_input, **others):
    return bf.Op(name, infer=infer, forward=forward, **others)


def network(op, seed=1):
    return bf.Sequential(3, [bf.Linear(4), op, bf.Linear(1)], seed=seed)


# ---- Elementwise in name only ----


@pytest.mark.parametrize("forward", [rising, by_features, centred])
def test_probes_of_one_entry_run_whole_what_is_elementwise_in_name_only(forward):
    """What it makes of some elements may depend on the others, and on how many there are."""
    model, data = network(bf.elementwise_op("own", forward, ones)), (floats(1, 16, 3), floats(2, 16, 1))
    settings = {"loss": "mse", "estimator": bf.CGE(), "update": bf.SGD(0.05), "batch_size": 8, "max_steps": 3}
    whole, cut = (
        bf.train(model, data, engine=ReferenceEngine(exact=True, cache_bytes=cap), **settings) for cap in (0, 2**26)
    )
    assert whole.model.hash == cut.model.hash != model.hash
    assert cut.forwards < whole.forwards  # the nodes before it are cut, as ever
