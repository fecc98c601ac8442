"""Settings of a run with something changed."""

import json

import numpy as np
from fuzzing import fuzz
from mutations import changed_json, pick

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.settings import parse

MODEL = bf.Sequential(8, [bf.Linear(3)], seed=1)
PAIRS = [
    (bf.RGE(2, mu=bf.linear_decay(0.1, steps=3, end=0.01)), bf.chain(bf.clip(1.0), bf.SGD(0.1))),
    (bf.CGE(0.3), bf.Adam(bf.cosine_decay(0.1, steps=5))),
    (bf.UnitWise(), bf.chain(bf.Momentum(0.1), bf.WeightDecay(0.01))),
]
SETTINGS = [
    bf.Trainer(MODEL.graph, np.zeros(0), "cross_entropy", estimator, update, 4).settings()
    for estimator, update in PAIRS
]


def changed(r):
    text = pick(r, SETTINGS)
    return text if r.random() < 0.02 else changed_json(r, json.loads(text))


def test_of_any_run():
    fuzz(changed, parse, FormatError, cases=2000)


def test_of_this_model():
    fuzz(changed, lambda text: bf.Trainer.from_settings(MODEL, text), ValueError, cases=1000)
