"""Updates, estimators, schedules, directions and operations of one's own in a run, its journal and its checkpoint."""

import copy
import pickle
from dataclasses import dataclass, replace

import numpy as np
import own_things as own
import pytest
from helpers import floats

import bpfree as bf
from bpfree.estimators import ESTIMATORS
from bpfree.registry import qualified_name
from bpfree.updates import UPDATES

X, Y = floats(1, 40, 3), floats(2, 40, 2)
MODEL = bf.Sequential(3, [bf.Linear(6), bf.ReLU(), bf.Linear(2)], seed=1)
SETTINGS = {"loss": "mse", "estimator": bf.RGE(8), "update": bf.SGD(0.1), "batch_size": 8, "max_steps": 6}
ROWS = [own.squares, own.Plain, own.Heavy, own.Signs, own.Steps, own.SIGNS]


def trained(model=MODEL, engine="reference", **settings):
    return bf.train(model, (X, Y), engine=engine, **{**SETTINGS, **settings})


COPIES = {
    "update": ({"update": own.Plain(0.1)}, {"update": bf.SGD(0.1)}),
    "chain": ({"update": bf.chain(bf.clip(1.0), own.Plain(0.1))}, {"update": bf.chain(bf.clip(1.0), bf.SGD(0.1))}),
    "estimator": ({"estimator": own.Signs(8)}, {"estimator": bf.RGE(8)}),
    "one-sided": ({"estimator": own.Signs(8, two_sided=False)}, {"estimator": bf.RGE(8, two_sided=False)}),
    "direction": ({"estimator": bf.RGE(8, direction=own.SIGNS)}, {"estimator": bf.RGE(8)}),
    "by layer": ({"estimator": bf.RGE(2, grouping="layer", direction=own.SIGNS)},
                 {"estimator": bf.RGE(2, grouping="layer")}),
    "solved": ({"estimator": bf.RGE(9, combine="least_squares", direction=own.SIGNS)},
               {"estimator": bf.RGE(9, combine="least_squares")}),
}  # fmt: skip


@pytest.mark.parametrize("engine", ["reference", "exact", bf.ReferenceEngine(dtype=np.float64)], ids=["f4", "e", "f8"])
@pytest.mark.parametrize(("mine", "theirs"), COPIES.values(), ids=COPIES)
def test_a_copy_of_a_built_in_row_has_its_bits(mine, theirs, engine):
    run, plain = trained(engine=engine, **mine), trained(engine=engine, **theirs)
    assert run.model.hash == plain.model.hash and run.losses == plain.losses and run.forwards == plain.forwards


def test_an_operation_of_ones_own_has_the_bits_of_the_same_formula():
    model = bf.Sequential(3, [bf.Linear(6), own.RECTIFIER, bf.Linear(2)], seed=1)
    for engine in ("reference", "exact"):
        assert trained(model, engine).model.hash == trained(engine=engine).model.hash
        by_units = [trained(m, engine, estimator=bf.UnitWise()).model.hash for m in (model, MODEL)]
        assert by_units[0] == by_units[1]


WITH_OWN = {
    "loss": {"loss": own.squares},
    "update": {"update": bf.chain(bf.WeightDecay(0.01), own.Heavy(0.05))},
    "estimator": {"estimator": own.Signs(4)},
    "lr schedule": {"update": bf.SGD(own.Steps(0.1, 0.01, 0, every=2))},
    "mu schedule": {"estimator": bf.RGE(4, mu=own.Steps(0.1, 0.01, 1))},
    "direction": {"estimator": bf.RGE(4, direction=own.SIGNS)},
    "all": {"loss": own.squares, "estimator": own.Signs(4, mu=own.Steps(0.1, 0.01, 1)), "update": own.Plain(0.1)},
}


@pytest.mark.parametrize("settings", WITH_OWN.values(), ids=WITH_OWN)
def test_it_is_journaled_replayed_and_gone_on_with(settings, tmp_path):
    files = {"journal": tmp_path / "j", "checkpoint": tmp_path / "c", "checkpoint_every": 2}
    whole = trained(MODEL, None, **settings)
    with pytest.raises(KeyboardInterrupt):
        trained(MODEL, None, **settings, **files, callbacks=stop_at(3))
    run = trained(MODEL, None, **settings, **files, resume=True)
    assert run.model.hash == whole.model.hash and run.losses == whole.losses
    again = bf.replay(tmp_path / "j", MODEL, rows=ROWS)
    assert bf.theta_hash(again) == run.model.hash
    assert bf.theta_hash(bf.replay(tmp_path / "j", run.trainer, MODEL.theta, "exact")) == run.model.hash
    with pytest.raises(ValueError, match="^settings: needs rows that are not given: .*: give them in rows="):
        bf.replay(tmp_path / "j", MODEL)
    assert bf.Trainer.from_settings(MODEL, run.journal.settings, ROWS).settings() == run.journal.settings


def stop_at(last):
    def callback(step, run):
        if step == last:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("name", [name for name in WITH_OWN if name not in ("estimator", "update")])
def test_c_refuses_it_by_name_and_the_default_engine_is_the_reference(name, tmp_path):
    run, settings = trained(MODEL, None, **WITH_OWN[name]), WITH_OWN[name]
    what = run.trainer.own[0]
    assert run.summary().count(f"engine reference, as {what} is of your own and not in C") == 1
    if not run.trainer.own_links:  # which the engine leaves to Python
        with pytest.raises(ValueError, match=f"^trainer: expected .*{what}"):
            bf.CompiledEngine().apply(run.trainer, MODEL.theta, run.state, 0, run.coefficients)
    for call in (
        lambda: trained(MODEL, "compiled", **settings),
        lambda: bf.replay(run.journal, run.trainer, MODEL.theta, "compiled"),
        lambda: bf.exporters.firmware.export(MODEL, tmp_path / "f", trainer=run.trainer),
        lambda: run.trainer.native_settings(),
    ):
        with pytest.raises(ValueError, match=f"^(engine|trainer): expected .*{what}"):
            call()


@pytest.mark.parametrize("estimator", [bf.RGE(4), bf.UnitWise(), bf.CGE()], ids=lambda own: own.row.name)
def test_losses_are_computed_in_c_for_an_update_of_ones_own(estimator, tmp_path):
    """Its arithmetic is Python's with any engine, to the same bits; what is C alone refuses it."""
    settings = {**WITH_OWN["update"], "estimator": estimator}
    run, exact = trained(MODEL, "compiled", **settings), trained(MODEL, "exact", **settings)
    default = trained(MODEL, None, **settings)
    assert run.model.hash == exact.model.hash == default.model.hash and run.losses == exact.losses
    assert default.fallback == "" and bf.theta_hash(bf.replay(run.journal, MODEL, rows=ROWS)) == run.model.hash
    if run.journal.kind == "SCALARS":
        with pytest.raises(ValueError, match="^engine: expected .*update 'heavy'"):
            bf.replay(run.journal, run.trainer, MODEL.theta, "compiled")
    for call in (
        lambda: bf.exporters.firmware.export(MODEL, tmp_path / "f", trainer=run.trainer),
        lambda: run.trainer.native_settings(),
    ):
        with pytest.raises(ValueError, match="^trainer: expected .*update 'heavy'"):
            call()


def test_an_estimators_losses_may_be_computed_in_c():
    """Its arithmetic is Python's anyway; only a device cannot have it."""
    run, plain = (trained(MODEL, "compiled", estimator=e) for e in (own.Signs(8), bf.RGE(8)))
    assert run.model.hash == plain.model.hash and not run.fallback
    assert run.trainer.refusal.startswith("own_things.Signs: ")


def test_a_row_that_looks_like_the_tables_is_none_of_it(tmp_path):
    """With its number, its symbol and its facet for devices: an estimator, an update and a schedule."""

    @dataclass(frozen=True)
    class Estimator(bf.RGE):
        row = replace(ESTIMATORS["rge"], name="impostor")

    @dataclass(frozen=True)
    class Update(bf.SGD):
        def transform(self, gradient, state, theta):
            return 0 * gradient, state

    Estimator.row = replace(ESTIMATORS["rge"], name="impostor", settings=Estimator)
    Update.row = replace(UPDATES["sgd"], name="still", settings=Update)
    trainer = trained(estimator=Estimator(8)).trainer
    assert trainer.refusal.startswith("impostor: of one's own") and not trainer.in_c
    assert trained(update=Update(0.1)).model.hash == MODEL.hash
    assert trained(engine="compiled", update=Update(0.1)).model.hash == MODEL.hash
    with pytest.raises(ValueError, match="^engine: expected .* schedule '.*Steps'"):
        trained(engine="compiled", update=bf.SGD(replace_row(own.Steps(0.1, 0.01, 0))))


def replace_row(schedule):
    """The same with a number of the table."""
    object.__setattr__(schedule, "row", replace(type(schedule).row, number=0, c="bpfree_sched_cosine_decay"))
    return schedule


def test_names_that_nobody_could_find_are_refused_before_the_first_step(tmp_path):
    @dataclass(frozen=True)
    class Local(bf.Update):
        def transform(self, gradient, state, theta):
            return theta.dtype.type(0.01) * gradient, state

    for settings in ({"loss": lambda outputs, targets: own.squares(outputs, targets)}, {"update": Local()}):
        for what in ("journal", "checkpoint"):
            with pytest.raises(ValueError, match=f"^{what}: expected rows that can be found .*<locals>.*Loss.of"):
                trained(**settings, **{what: tmp_path / "file"})
        run = trained(**settings)
        with pytest.raises(ValueError, match="^journal: expected rows that can be found"):
            run.journal.write(tmp_path / "file")
        assert not list(tmp_path.iterdir()) and run.steps == 6
    named = trained(loss=bf.Loss.of(lambda o, t: own.squares(o, t), "named"), journal=tmp_path / "file")
    again = bf.replay(tmp_path / "file", MODEL, rows=[bf.Loss.of(own.squares, "named")])
    assert bf.theta_hash(again) == named.model.hash


@pytest.mark.parametrize(("rows", "message"), [
    ("own", "rows: expected a list of rows, .* got 'own'"),
    (own.Plain, "rows: expected a list of rows"),
    (None, "rows: expected a list of rows"),
    ([3], "rows: expected a function .* got 3"),
    ([dict], "rows: expected a function"),
    ([own.squares, bf.Loss.of(own.Plain(0.1).transform, qualified_name(own.squares))], "rows: expected one losses row"),
])  # fmt: skip
def test_wrong_rows_are_refused(rows, message):
    run = trained(loss=own.squares)
    with pytest.raises((TypeError, ValueError), match=message):
        bf.replay(run.journal, MODEL, rows=rows)


def test_a_name_of_the_table_is_not_given_to_ones_own():
    @dataclass(frozen=True)
    class SGD(bf.Update, name="sgd"):
        pass

    class Again(bf.RGE, name="rge"):
        pass

    for settings, table in (({"update": SGD()}, "updates"), ({"estimator": Again()}, "estimators"),
                            ({"estimator": bf.RGE(direction=bf.Direction("sphere", own.SIGNS.draw))}, "directions")):
        with pytest.raises(ValueError, match=f"^{table}: expected a name that the table does not have"):
            trained(**settings)
    with pytest.raises(ValueError, match="^ops: expected a name that the table does not have, got 'relu'"):
        bf.Sequential(2, [bf.elementwise_op("relu", own.forward, own.derivative)])


def test_a_model_is_loaded_with_its_operations(tmp_path):
    model = bf.Sequential(3, [bf.Linear(6), own.SOFT, bf.Linear(2)], seed=1)
    model.save(tmp_path / "m.npz")
    again = bf.Model.load(tmp_path / "m.npz", rows=[own.squares, own.SOFT])
    assert again.graph.nodes[1].op is own.SOFT and again.hash == model.hash
    np.testing.assert_array_equal(again.predict(X), model.predict(X, "reference"))
    with pytest.raises(ValueError, match="m.npz: needs rows that are not given: own_soft: give them in rows="):
        bf.Model.load(tmp_path / "m.npz")
    both = bf.Sequential(3, [own.SOFT, bf.elementwise_op("soft2", own.forward, own.derivative), bf.Linear(2)])
    both.save(tmp_path / "both.npz")
    rows = [node.op for node in both.graph.nodes]
    assert bf.Model.load(tmp_path / "both.npz", rows=(row for row in rows)).hash == both.hash  # read once
    with pytest.raises(bf.errors.RowsMissingError, match="both.npz: needs .* not given: own_soft, soft2: give them"):
        bf.Model.load(tmp_path / "both.npz")
    with pytest.raises(TypeError, match="^rows: expected a list of rows, .* got Op"):
        bf.Model.load(tmp_path / "m.npz", rows=own.SOFT)
    run = trained(model, None, journal=tmp_path / "j")
    assert "as node 'own_soft2' (own_soft) is of your own" in run.summary()
    assert bf.theta_hash(bf.replay(tmp_path / "j", again)) == run.model.hash


@pytest.mark.parametrize("transform", [
    lambda self, g, state, theta: (g[:1], state), lambda self, g, state, theta: (0.5, state),
    lambda self, g, state, theta: (g, []), lambda self, g, state, theta: (g, [*state, g]),
])  # fmt: skip
def test_an_update_that_gives_something_else_is_refused(transform):
    bad = dataclass(frozen=True)(type("Bad", (bf.Update,), {"transform": transform, "n_vectors": 1}))
    with pytest.raises(ValueError, match=r"^update: expected transform of '.*Bad' to give a step of \(\d+,\) and 1"):
        trained(update=bad())


def test_an_update_that_overflows_is_a_result():
    wild = type("Wild", (bf.Update,), {"transform": lambda self, g, state, theta: (g * np.float32(np.nan), state)})
    with pytest.raises(TypeError, match=r"^updates: expected a dataclass .* got Wild: put @dataclass\(frozen=True\)"):
        trained(update=wild())
    assert trained(update=dataclass(frozen=True)(wild)()).outcome_code == "overflow"


@pytest.mark.parametrize(("give", "message"), [
    (lambda x: x[:1], r"op: expected forward of 'odd' to give real .* shape \(6, 8\), got float32 of shape \(1, 8\)"),
    (lambda x: x.T, r"op: expected forward of 'odd' .* of shape \(8, 6\)"), (lambda x: 1.0, r"op: .* of shape \(\)"),
])  # fmt: skip
def test_an_operation_that_gives_something_else_is_refused(give, message):
    odd = bf.elementwise_op("odd", lambda site, a, p, inputs: give(inputs[0]), own.derivative)
    with pytest.raises(ValueError, match=f"^{message}"):
        trained(bf.Sequential(3, [bf.Linear(6), odd, bf.Linear(2)]))


def test_what_an_operation_makes_is_in_the_engines_precision():
    wide = bf.elementwise_op("wide", lambda site, a, p, inputs: inputs[0] * np.float64(1), own.derivative)
    model = bf.Sequential(3, [bf.Linear(6), wide, bf.Linear(2)], seed=1)
    assert model.predict(X, "exact").dtype == np.float32
    empty = bf.elementwise_op("empty", lambda site, a, p, inputs: inputs[0] * np.nan, own.derivative)
    assert trained(bf.Sequential(3, [empty, bf.Linear(2)])).outcome_code == "nonfinite_loss"


@pytest.mark.parametrize(("fields", "message"), [
    ({"name": 3}, "Op: expected a name, got 3"), ({"forward": None}, "Op 'o': expected a function as `forward`"),
    ({"infer": 1}, "Op 'o': expected a function as `infer`, got 1"), ({"arity": -1}, "Op 'o': arity: expected an "),
])  # fmt: skip
def test_a_wrong_operation_is_refused_at_once(fields, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        bf.Op(**{"name": "o", "infer": lambda attributes, shapes: shapes[0], "forward": own.forward, **fields})
    with pytest.raises(TypeError, match="^Direction 'd': expected a function as `draw`, got 'rademacher'"):
        bf.Direction("d", "rademacher")


def test_points_that_are_no_probes_are_refused():
    @dataclass(frozen=True)
    class Listed(bf.Differences):
        def points(self, graph, seed, step):
            return [0, 1]

    with pytest.raises(TypeError, match="^estimator: expected points of '.*Listed' to be probes as bpfree.probe_rows"):
        trained(estimator=Listed())


def test_settings_that_no_file_can_hold_are_named():
    @dataclass(frozen=True)
    class Listing(bf.Update, name="listing"):
        rates: list = None

    with pytest.raises(TypeError, match="^listing: expected rates to be a number, .* got \\[1, 2\\]"):
        trained(update=Listing([1, 2]))


def test_a_method_for_pdes_takes_them():
    class Decay(bf.pde.Problem):
        domain, conditions = bf.pde.Box(t=(0, 1)), [bf.pde.Initial(1.0)]

        def residual(self, u, c):
            return u.t + u

    pairs = ((own.Signs(8), own.Plain(0.01)), (bf.RGE(8), bf.SGD(0.01)))
    found = [bf.pde.solve(Decay(), points=20, max_steps=5, method=bf.FirstOrder(*pair)) for pair in pairs]
    assert found[0].model.hash == found[1].model.hash and found[0].history.losses == found[1].history.losses


def test_other_places_that_take_them():
    found = bf.calibrate(MODEL, (X, Y), loss="mse", estimator=own.Signs(8), update=own.Plain(0.1), batch_size=8)
    assert isinstance(found.estimator, own.Signs) and found.update.lr == found.lr
    near = bf.diagnose(MODEL, (X, Y), own.Signs(200), loss=own.squares, batch_size=8)
    assert near.total.mean_cosine > 0.9 and near.tier == "black-box"
    settings = {"estimator": own.Signs(8), "update": own.Heavy(0.1), "max_steps": 60}
    theta, history = bf.minimize(lambda t: float((t**2).sum()), np.ones(5), **settings)
    assert np.abs(theta).max() < 0.1 and history.outcome_code == "done"
    ask = own.Signs(4).start(np.zeros(3), update=own.Plain(0.1), max_steps=30)
    for points in ask:
        ask.tell([((point - 1) ** 2).sum() for point in points])
    assert np.abs(ask.theta - 1).max() < 0.1


def test_copies_of_a_trainer_keep_the_rows_of_the_tables():
    """C knows a row of the table by identity: a copy that were another row would be taken for one's own."""
    trainer = bf.Trainer(MODEL.graph, MODEL.frozen, "mse", bf.RGE(), bf.SGD(bf.cosine_decay(0.1, 5)), 4)
    for copied in (copy.deepcopy(trainer), pickle.loads(pickle.dumps(trainer))):
        assert copied.own == () and copied.rows == trainer.rows and copied.in_c
        assert copied.rows["estimator"] is ESTIMATORS["rge"] and copied.loss is trainer.loss
    mine = bf.Trainer(MODEL.graph, MODEL.frozen, own.squares, own.Signs(), own.Plain(), 4)
    assert pickle.loads(pickle.dumps(mine)).own == mine.own != ()
