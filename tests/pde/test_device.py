"""Derivatives and residuals on the emulated Cortex-M4F: the bits of the host, and no unused function linked."""

import shutil

import numpy as np
import pytest
from helpers import assert_same_bits, floats
from native_pde import NativePde

import bpfree as bf
from bpfree.engines import CompiledEngine
from bpfree.exporters import firmware
from bpfree.exporters.c_text import array, float_literal
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES
from bpfree.pde.streams import Streams

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402

POINTS = 4
MODELS = {
    "dense": lambda: bf.Sequential(4, [bf.Linear(12), bf.Tanh(), bf.Linear(9), bf.Sin(), bf.Linear(1)], seed=1),
    "tt": lambda: bf.Sequential(
        4,
        [
            *(bf.Scale(0.5, 0.25), bf.TTLinear((2, 3), (3, 4), rank=2), bf.Sigmoid()),
            *(bf.Residual(bf.TTLinear((3, 4), (4, 3), rank=2, bias=False), bf.Tanh()), bf.Linear(1)),
        ],
        seed=2,
    ),
}

# A user's own residual, which sends its jet and calls the equation of the runtime.
MAIN = """\
#include "model.h"
#include "port.h"

static const bpfree_jet through[] = {{{through}}};
static const bpfree_form forms[] = {{{{0, 0, MODEL_FEATURES - 1}}}};
static const bpfree_streams streams = {{0, forms, MODEL_FEATURES, 1}};
static const bpfree_hjb coefficients = {{{coefficients}}};
{settings}
{points}
static float work[8192];

static void send(float value)
{{
  const union {{ float f; uint32_t u; }} word = {{value}};
  port_emit(PORT_WORD, word.u);
}}

static int own(const void *user, const bpfree_field *u, float *r)
{{
  for (uint32_t k = 0; k < 2 + MODEL_FEATURES; k++) send(u->jet[k]);
  return bpfree_residual_hjb_lqg(user, u, r);
}}

int main(void)
{{
  static const bpfree_pde pde = {{&model, through, &streams, &bpfree_rule_{rule}, settings, own, &coefficients}};
  const uint32_t size = bpfree_pde_size(&pde, 1);
  float r[{n}], loss;
  if (size == 0 || size > sizeof work / sizeof *work) return 1;
  const int status = bpfree_pde_residuals(&pde, model_theta, points, {n}, 1, work, size, r, &loss);
  for (uint32_t k = 0; k < {n}; k++) send(r[k]);
  send(loss);
  return status;
}}
"""


def on_device(folder, model, points, rule, settings, coefficients):
    """Build and run the program that sends jets and residuals of these points."""
    zeros = np.zeros((len(points), 1), np.float32)
    trainer = bf.train(model, (points, zeros), loss="mse", estimator=bf.RGE(), batch_size=1, max_steps=1).trainer
    firmware.export(model, folder, trainer=trainer)
    source = firmware.runtime_folder() / "src"
    for path in [path for kind in ("pde", "rule", "residual") for path in source.glob(f"{kind}_*.c")]:
        shutil.copy(path, folder / "runtime")
    (folder / "main.c").write_text(
        MAIN.format(
            through=", ".join(f"bpfree_jet_{node.op.name}" for node in model.graph.nodes),
            coefficients=", ".join(map(float_literal, coefficients)),
            settings=array("static const float settings", map(float_literal, settings)),
            points=array("static const float points", map(float_literal, points.ravel())),
            rule=rule,
            n=len(points),
        )
    )
    (folder / "trainer.c").unlink()
    built = emulate.compile_firmware(folder)
    return built, emulate.run_firmware(built)


def symbols(built):
    from elftools.elf.elffile import ELFFile

    with open(built.elf, "rb") as file:
        return {symbol.name for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


@pytest.mark.parametrize(
    ("name", "rule", "settings"),
    [
        ("tt", "taylor", ()),
        ("dense", "differences", (4, 0.125, 0.0625)),
        ("dense", "sparse_grid", (1, 0.25, 0)),
        pytest.param("tt", "sparse_grid", (0, 0.25, 1), marks=pytest.mark.slow),
        pytest.param("dense", "taylor", (), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_device_gives_the_bits_of_the_host(workshop, name, rule, settings):
    model, points = MODELS[name](), floats(3, POINTS, 4, scale=0.5)
    streams = Streams(np.eye(4), [[(k, k, 1.0) for k in range(3)]])
    coefficients = PROBLEMS["hjb_lqg"].coefficients(bf.pde.HJBLQG(3, m=0.5))
    built, result = on_device(workshop, model, points, rule, settings, coefficients)
    assert result.exit_code == 0
    found = result.words.view(np.float32)
    jets, r, loss = found[: POINTS * 6].reshape(POINTS, 6), found[POINTS * 6 : -1], found[-1]

    own = CompiledEngine().model(model.graph, model.frozen)
    pde = NativePde(own, streams, RULES[rule].number, settings, PROBLEMS["hjb_lqg"].number, coefficients)
    expected = pde.residuals(model.theta, points)
    assert_same_bits(r, expected[0])
    assert loss == expected[1]
    if rule == "taylor":
        value, rest = pde.jets(model.theta, points)
        assert_same_bits(jets[:, 0], value[0])
        assert_same_bits(jets[:, 1:], np.ascontiguousarray(rest[0].T))
    rules = {symbol for symbol in symbols(built) if symbol.startswith("bpfree_rule_")}
    assert rules == {f"bpfree_rule_{rule}"}


def test_what_trains_without_a_pde_has_no_code_for_one(workshop):
    model, x = MODELS["tt"](), floats(4, 8, 4)
    samples = firmware.Samples(x, targets=floats(5, 8, 1))
    run = bf.train(model, (x, samples.targets), loss="mse", estimator=bf.RGE(), batch_size=1, max_steps=1)
    firmware.export(model, workshop, trainer=run.trainer, samples=samples, steps=1)
    names = symbols(emulate.compile_firmware(workshop))
    assert "bpfree_op_tanh" in names  # so the search can find something
    assert not [name for name in names if name.startswith(("bpfree_jet", "bpfree_rule", "bpfree_pde"))]
