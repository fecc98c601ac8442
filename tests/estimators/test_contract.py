"""The contract: what every estimator has, what only those have that ask for points, and what a device is told."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers import BLACK_BOX, ESTIMATOR_SETTINGS, show

import bpfree as bf
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.device import OPTIONS, Device
from bpfree.estimators.differences import Differences
from bpfree.estimators.step import check_pair
from bpfree.estimators.table import COEFFICIENTS, Estimator, EstimatorRow
from bpfree.registry import HostOnly

EVERY = [settings for rows in ESTIMATOR_SETTINGS.values() for settings in rows]
GRAPH = bf.Sequential(9, [bf.Linear(7), bf.Tanh(), bf.Linear(5)]).graph
ASKING = [settings for settings in EVERY if isinstance(settings, Differences)]
OTHERS = [settings for settings in EVERY if not isinstance(settings, Differences)]


def test_an_estimator_has_few_methods_and_a_layer_access_one_no_points():
    own = {name for name, member in vars(Estimator).items() if callable(member) and not name.startswith("_")}
    assert own == {
        *("record_shape", "estimate", "gradient", "coordinates", "evaluations", "forwards", "cost", "start")
    }
    assert {type(settings) for settings in OTHERS} == {
        bf.UnitWise, bf.NodePerturbation, bf.StructuredCGE, bf.CoordinateDescent
    }  # fmt: skip
    for settings in OTHERS:
        assert not any(hasattr(settings, name) for name in ("points", "ask", "tell"))


@pytest.mark.parametrize("settings", OTHERS, ids=show)
def test_others_say_what_to_take_for_losses_from_elsewhere(settings):
    what = f"expected one that asks for points, got {type(settings).__name__}, .*: .* take RGE, CGE or Hybrid"
    for call in (
        lambda: settings.start(np.zeros(3)),
        lambda: bf.minimize(np.sum, np.zeros(3), estimator=settings, max_steps=1),
    ):
        with pytest.raises(TypeError, match=what):
            call()
    with pytest.raises(TypeError, match=r"estimator: expected one that asks for points, such as RGE\(\), got "):
        bf.AskTell(settings, np.zeros(3))


@pytest.mark.parametrize("settings", EVERY, ids=show)
def test_an_object_knows_its_row(settings):
    row = settings.row
    assert ESTIMATORS.of(settings) is row and row in ESTIMATORS.rows and row.settings is type(settings)
    assert settings.coefficients_are in COEFFICIENTS
    assert row.tier == ("black-box" if settings in BLACK_BOX else "layer-access")
    assert row.direction == settings.direction and row.defaults().row is row
    assert (row.device is None) == isinstance(row.c, HostOnly)


@pytest.mark.parametrize("settings", EVERY, ids=show)
def test_what_coefficients_are_is_what_coordinates_say(settings):
    """Partial derivatives have a coordinate each, and directions have none."""
    found = settings.coordinates(GRAPH, 1, 2)
    if settings.coefficients_are in ("slopes", "mixed"):
        assert found is None
        return
    assert len(set(found.tolist())) == len(found) and found.max() < GRAPH.n_theta
    groups, each = settings.record_shape(GRAPH)
    assert groups == 1 and each - 1 <= len(found) <= each
    gradient = settings.gradient(GRAPH, 1, 2, np.arange(1, each + 1, dtype=np.float32)[None])
    assert np.array_equal(gradient[found], np.arange(1, len(found) + 1)) and np.count_nonzero(gradient) == len(found)


@pytest.mark.parametrize("settings", [s for s in EVERY if s.row.device], ids=show)
def test_a_devices_facet(settings):
    device = settings.row.device
    assert isinstance(device, Device) and device.wants(settings) <= set(OPTIONS)
    assert device.sides(settings) in (1, 2) and device.work(settings, GRAPH, 3) >= 0
    own = device.settings(settings, GRAPH, bf.Trainer(GRAPH, np.zeros(0, "f4"), "mse", bf.RGE(), bf.SGD(), 1).loss)
    assert own is None or own.type in ("bpfree_rge", "bpfree_cge", "bpfree_unit_wise")


@dataclass(frozen=True)
class Doubled(bf.RGE):
    """Somebody's own, in Python alone."""

    def factor(self, graph):
        """Twice the gradient."""
        return 2.0


@dataclass(frozen=True)
class Named(Doubled):
    """With a row."""


Named.row = EstimatorRow("doubled", Named, "rademacher", tier="black-box", journal="SCALARS")


def test_a_row_of_ones_own_needs_no_table():
    row = ESTIMATORS.of(Named())
    assert (row.name, row.number, row.device) == ("doubled", None, None) and isinstance(row.c, HostOnly)
    x, y, model = np.eye(4, dtype="f4"), np.arange(4) % 2, bf.Sequential(4, [bf.Linear(2)])
    for engine in ("reference", "compiled"):
        given = {"update": bf.SGD(0.1), "batch_size": 4, "max_steps": 3, "engine": engine}
        run, plain = (bf.train(model, (x, y), estimator=own, **given) for own in (Named(3), bf.RGE(3)))
        assert np.array_equal(run.journal.records[0], 2 * plain.journal.records[0])
        assert run.trainer.refusal.startswith("doubled: ")


def test_a_subclass_is_not_its_parents_row():
    """C and a journal would take it for the parent: it has a row of its own, by its qualified name."""
    row = ESTIMATORS.of(Doubled())
    assert row is Doubled.row and row not in ESTIMATORS.rows and (row.number, row.device) == (None, None)
    assert row.name == f"{__name__}.Doubled" and (row.tier, row.journal) == ("black-box", "SCALARS")


@pytest.mark.parametrize("settings", EVERY, ids=show)
def test_updates_ask_what_coefficients_are(settings):
    allowed = {
        "Normalize": ("slopes", "partials", "scaled"),
        "Stale": ("partials",),
        "SGD": ("slopes", "partials", "scaled", "mixed", "gradient"),
    }
    for update, name in ((bf.Normalize(), "Normalize"), (bf.Stale(), "Stale"), (bf.SGD(0.1), "SGD")):
        if settings.coefficients_are in allowed[name]:
            check_pair(settings, update)
        else:
            with pytest.raises(ValueError, match="^(update|rescale): "):
                check_pair(settings, update)
    check_pair(settings, bf.SGD(1.0))
    with pytest.raises(TypeError, match="updates: expected one of SGD"):
        check_pair(settings, 0.1)
