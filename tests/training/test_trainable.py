"""Training some parameter tensors only: what is frozen is neither moved nor probed, with every estimator.

The oracle of a frozen body is a head alone, trained on features that were computed before: the same bits.
"""

import numpy as np
import pytest
from helpers import ESTIMATOR_SETTINGS, assert_same_bits, fitting, floats, show

import bpfree as bf
from bpfree.engines import get_engine
from bpfree.engines.batch import make_batch
from bpfree.engines.cost import graph_macs, node_macs

X, Y = floats(1, 48, 6), np.arange(48) % 3
BODY = [bf.Linear(9), bf.Tanh(), bf.TTLinear((3, 3), (2, 4), rank=2), bf.ReLU()]
EVERY = [settings for rows in ESTIMATOR_SETTINGS.values() for settings in rows]
MASKED = [s for s in EVERY if getattr(s, "ratios", None) is not None]


def network(seed=1):
    return bf.Sequential(6, [*BODY, bf.Linear(5), bf.Sin(), bf.Linear(3)], seed=seed)


def train(model, estimator, x=X, steps=6, engine="exact", **settings):
    update = fitting(estimator, bf.chain(bf.clip(5.0), bf.Adam(0.01)))
    settings = {"update": update, "batch_size": 8, "max_steps": steps, "seed": 4, **settings}
    return bf.train(model, (x, Y), estimator=estimator, engine=engine, **settings)


class Seen(bf.ReferenceEngine):
    """The exact engine, which notes the models that losses are asked of, and how often."""

    def __init__(self):
        super().__init__(exact=True)
        self.constants, self.evaluated = [], 0

    def evaluate(self, graph, theta, frozen, batch, loss, probes):
        self.constants.append(frozen.tobytes())
        self.evaluated += len(probes)
        return super().evaluate(graph, theta, frozen, batch, loss, probes)


def draws_by_number(estimator):
    """Is what it draws addressed by numbers of tensors in the whole network? What is not drawn is compared below."""
    return isinstance(estimator, bf.NodePerturbation) or estimator in MASKED


@pytest.mark.parametrize("estimator", EVERY, ids=show)
def test_a_head_on_a_frozen_body_trains_as_a_head_alone(estimator):
    model = network()
    features = model.up_to("relu4").predict(X, "exact")
    head = bf.Sequential(8, [bf.Linear(5), bf.Sin(), bf.Linear(3)])
    head.theta[:] = model.train_only("linear5.*", "linear7.*").theta
    engine = Seen()
    run = train(model, estimator, engine=engine, trainable=("linear5.*", "linear7.*"))
    alone = train(head, estimator, x=features)
    if not draws_by_number(estimator):
        assert_same_bits(run.model.theta, alone.model.theta)
        assert run.losses == alone.losses and run.evaluations == alone.evaluations
    after, before = run.model.parameters(), model.parameters()
    for name in before:
        moved = not np.array_equal(before[name], after[name])
        assert moved == (name.split(".")[0] in ("linear5", "linear7")), name
    assert run.trainer.graph == run.model.graph and run.steps == 6
    if engine.evaluated:  # black boxes: nothing but these losses, none of them with other constants
        assert set(engine.constants) == {run.model.frozen.tobytes()} and engine.evaluated == run.evaluations
    assert model.graph.n_frozen == 0 and model.hash == network().hash, "the model given is left as it is"


ONE_BY_ONE = [bf.CGE(mu=0.02), bf.CGE(mu=0.02, two_sided=False), bf.StructuredCGE(mu=0.02), bf.UnitWise(0.02),
              bf.UnitWise(0.02, head="probe"), bf.NodePerturbation(2, 0.02), bf.NodePerturbation(2, head="probe"),
              bf.Hybrid(10_000, mu=0.02)]  # fmt: skip
SOME = ["linear1.bias", "*.bias", ("*.core0", "linear7.weight"), "tt_linear3.core1", "linear[15].*", "*"]


@pytest.mark.parametrize("trainable", SOME, ids=str)
@pytest.mark.parametrize("estimator", ONE_BY_ONE, ids=show)
@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_an_estimate_is_that_of_the_whole_without_what_is_frozen(estimator, trainable, engine):
    """Where each element has a probe of its own, or each unit, the gradient of a part is a part of the gradient."""
    model, found = network(), {}
    for split in (model, model.train_only(trainable)):
        trainer = bf.Trainer(split.graph, split.frozen, "cross_entropy", estimator, bf.SGD(), 48, seed=3)
        batch = make_batch(split.graph, trainer.loss, X, Y)
        estimate = trainer.estimate(get_engine(engine), split.theta, batch, 0)
        gradient = trainer.gradient(0, estimate.coefficients)
        found[split] = {part.name: gradient[part.range] for part in split.graph.trainable}, estimate
    (whole, _), (part, estimate) = found.values()
    assert set(part) == {p.name for p in split.graph.trainable} and 0 < len(part) <= len(whole)
    for name, values in part.items():
        assert_same_bits(values, whole[name])
    if estimator.row.tier == "black-box":
        d = split.graph.n_theta
        assert estimate.n_evaluations == (2 * d if estimator.two_sided else d + 1)


@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_a_frozen_prefix_is_passed_once_a_step(engine):
    """Forwards of a step are the body's once, and the head's for every probe."""
    model = network().train_only("linear7.*")
    macs = node_macs(model.graph)
    run = train(model, bf.RGE(5), engine=engine)
    passes = 8 * (sum(macs[:-1]) + 10 * macs[-1]) / graph_macs(model.graph)
    assert run.forwards == 6 * round(passes) < 6 * 8 * 10
    whole = train(network(), bf.CGE(), steps=1)
    part = train(model, bf.CGE(), steps=1)
    assert part.evaluations == 2 * 18 and whole.evaluations == 2 * network().graph.n_theta


@pytest.mark.parametrize("estimator", [bf.RGE(3), bf.CGE(0.5)], ids=show)
def test_journals_replay_from_the_split_model(tmp_path, estimator):
    settings = {"trainable": "linear7.*", "journal": tmp_path / "run.journal", "journal_every": 2}
    run, base = train(network(), estimator, **settings), network().train_only("linear7.*")
    assert run.journal.base_hash == base.hash
    for journal in (run.journal, tmp_path / "run.journal"):
        for engine in ("exact", "compiled"):
            assert_same_bits(bf.replay(journal, base, engine=engine), run.model.theta)
        assert_same_bits(bf.replay(journal, run.trainer, base.theta, to_step=0), base.theta)
        for other in (network(), network().train_only("linear7.weight"), base.freeze("*.bias")):
            with pytest.raises(ValueError, match=r"model: \w+ in the settings, .*; a model's hash covers what is"):
                bf.replay(journal, other)


@pytest.mark.parametrize("estimator", [bf.RGE(3), bf.UnitWise()], ids=show)
def test_checkpoints_go_on_with_the_same_split_only(tmp_path, estimator):
    whole = train(network(), estimator, trainable="*.bias", steps=8)
    settings = {"trainable": ["*.bias"], "checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 2}
    train(network(), estimator, steps=3, **settings)
    with pytest.raises(ValueError, match="checkpoint: .* is of another run; model: "):
        train(network(), estimator, steps=8, resume=True, **settings | {"trainable": "*.weight"})
    again = train(network(), estimator, steps=8, resume=True, **settings)
    assert again.model.hash == whole.model.hash and again.losses == whole.losses
    assert again.model.graph == whole.model.graph and again.model.frozen_hash == whole.model.frozen_hash


def test_pools_and_phases_and_studies():
    alone = train(network(), bf.RGE(4), trainable="linear7.*").model.hash
    for pool in (bf.Threads(2, "exact"), bf.Processes(2, "compiled")):
        with pool as engine:
            assert train(network(), bf.RGE(4), trainable="linear7.*", engine=engine).model.hash == alone
    phases = [bf.Phase(bf.RGE(2), bf.SGD(0.05), {"trainable": "linear7.*", "max_steps": 3}),
              bf.Phase(bf.RGE(2), bf.SGD(0.05), {"max_steps": 3}),
              bf.Phase(bf.RGE(2), bf.SGD(0.05), {"trainable": "*", "max_steps": 3})]  # fmt: skip
    first, second, last = bf.train_phases(network(), (X, Y), phases, batch_size=8)
    assert [run.model.graph.n_theta for run in (first, second, last)] == [18, 18, network().graph.n_theta]
    assert first.model.frozen_hash == second.model.frozen_hash and last.model.graph == network().graph
    split = network().train_only("linear7.*")
    assert bf.calibrate(split, (X, Y), estimator=bf.RGE(2), batch_size=8).update is not None
    assert len(bf.layer_ratios("magnitude", split, (X, Y), fraction=0.5)) == 2


def test_the_best_model_and_the_summary_keep_the_split():
    run = train(network(), bf.RGE(2), trainable="linear7.*", validation=(X, Y), validate_every=2)
    assert run.best.model.graph == run.model.graph and run.best.model.frozen_hash == run.model.frozen_hash
    frozen = network().graph.n_theta - 18
    assert f"trained linear7.weight, linear7.bias (18 parameters), frozen {frozen:,}" in run.summary()
    assert "frozen" not in train(network(), bf.RGE(2)).summary()


WRONG = [
    ("head.*", r"trainable: expected a pattern that matches one of linear1.weight, .*, got 'head.\*'"),
    ([], "trainable: expected a pattern such as .*, or several, got none"),
    (7, "trainable: expected patterns such as 'linear1.\\*', got 7"),
    (["*", ""], "trainable: .*, got ''"),
]


@pytest.mark.parametrize(("trainable", "message"), WRONG, ids=repr)
def test_nothing_to_train_is_refused(tmp_path, trainable, message):
    with pytest.raises((TypeError, ValueError), match=message):
        train(network(), bf.RGE(2), trainable=trainable, journal=tmp_path / "j")
    assert not (tmp_path / "j").exists()


def test_everything_frozen_computes_and_is_not_trained():
    model = network().freeze("*")
    for engine in ("exact", "compiled"):
        assert_same_bits(model.predict(X, engine), network().predict(X, engine))
    with pytest.raises(ValueError, match=r"model: expected trainable parameters, got none beside \d+ frozen ones"):
        train(model, bf.RGE(2))
    assert train(model, bf.RGE(2), trainable="*").model.hash == train(network(), bf.RGE(2)).model.hash


@pytest.mark.parametrize("estimator", MASKED, ids=show)
def test_masks_share_out_the_trained_tensors(estimator):
    run = train(network(), estimator, trainable=("tt_linear3.*", "linear5.weight"))
    parts = [part for part in run.trainer.estimator.parts(run.model.graph) if part.count]
    names = [run.model.graph.slices[part.number].name for part in parts]
    assert set(names) <= {"tt_linear3.core0", "tt_linear3.core1", "tt_linear3.bias", "linear5.weight"}
