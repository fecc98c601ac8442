"""What results print is short, on one line, and says what they are, however long the run was."""

import numpy as np
import pytest

import bpfree as bf

N = 2_000
X, Y = np.random.default_rng(0).normal(size=(64, 4)).astype("f4"), np.arange(64) % 2
MODEL = bf.Sequential(4, [bf.Linear(400), bf.ReLU(), bf.Linear(2)])
RUN = bf.train(MODEL, (X, Y), max_steps=N, batch_size=4, update=bf.Adam(1e-3), validation=0.2, validate_every=10)


def asked():
    ask = bf.RGE(8).start(np.ones(N))
    return ask, ask.tell(np.ones((16, N)))


def solved():
    return bf.pde.solve(bf.pde.Poisson(dim=1), points=16, max_steps=3)


def minimized():
    return bf.minimize(lambda theta: float(theta @ theta), np.ones(N), max_steps=3)[1]


RESULTS = {
    "run": (lambda: RUN, r"Run\(done, 2000 steps, loss [\d.]+ -> [\d.]+, Model\("),
    "journal": (lambda: RUN.journal, r"Journal\(SCALARS, from theta [0-9a-f]{16} at step 0: 2000 records, 201 events"),
    "trainer": (lambda: RUN.trainer, r"Trainer\(Graph\(4 -> linear1 -> .*, loss 'softmax_cross_entropy', RGE\("),
    "state": (lambda: RUN.state, r"State\(before step 2000: 3 arrays: float32 \(2802,\)"),
    "best": (lambda: RUN.best, r"Best\(step="),
    "model": (lambda: MODEL, r"Model\(4 -> linear1 -> relu2 -> linear3 -> 2, 2802 trainable, 2400 MACs\)"),
    "deep model": (
        lambda: bf.Sequential(2, [bf.Linear(2)] * 300), r"Model\(2 -> linear1 .* 290 more -> .*linear300 -> 2",
    ),
    "graph": (lambda: MODEL.graph, r"Graph\(4 -> linear1 -> relu2 -> linear3 -> 2, 2802 trainable, 0 frozen\)"),
    "graph of points": (lambda: asked()[0].graph, r"Graph\(no nodes, 2000 trainable"),
    "estimate": (lambda: asked()[1], r"Estimate\(1 x 8 coefficients, 16 losses of mean 1, "),
    "ask and tell": (lambda: asked()[0], r"AskTell\(running, step 1, 16 evaluations, loss 1, RGE\("),
    "minimisation": (minimized, r"History\(done, 3 steps, \d+ evaluations, loss \d+"),
    "solution": (solved, r"Solution\(Poisson, History\(done, 3 steps, \d+ looks, loss "),
    "calibration": (
        lambda: bf.calibrate(MODEL, (X, Y), estimator=bf.RGE(), update=bf.SGD()), r"Calibration\(mu=[\d.e-]+, lr=",
    ),
    "diagnosis": (
        lambda: bf.diagnose(MODEL, (X, Y), bf.RGE(), n_coordinates=6),
        r"Diagnosis\(RGE against CGE: 32 estimates, cosine ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_one_short_line(name):
    import re

    make, begins = RESULTS[name]
    text = repr(make())
    assert len(text) < 500 and "\n" not in text
    assert re.match(begins, text), text


def test_a_table_for_people_stays_one():
    assert str(bf.calibrate(MODEL, (X, Y), estimator=bf.RGE(), update=bf.SGD())).count("\n") > 10
