"""A firmware that only infers: bpfree_predict, without the training code, in 2,048 bytes."""

import shutil

import numpy as np
import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles, runs or reads firmware: pip install "bpfree[emulate]"')

import bpfree as bf  # noqa: E402
from bpfree import emulate  # noqa: E402
from bpfree.datasets import load_digits  # noqa: E402
from bpfree.engines.reference import ReferenceEngine  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402

MODEL = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
ROWS = load_digits("test").part(0, 8)
TRAINER = bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", bf.RGE(), bf.SGD(0.05), batch_size=1)
CORE = ("forward.c", "predict.c", "kernel_bias.c", "kernel_contract.c", "op_linear.c", "op_relu.c")
OPTIONS = tuple(f"BPFREE_{name}=0" for name in ("PROBE_ON_READ", "HADAMARD_ROWS", "GAPS", "GROUPS", "CUT_SLICES"))
MOST_FLASH = 2048

MAIN = """\
#include "model.h"
#include "port.h"

static const float samples[][MODEL_FEATURES] = {ROWS};
static float arena[MODEL_ARENA], y[MODEL_OUTPUTS];

int main(void)
{
  for (uint32_t i = 0; i < N; i++) {
    const int status = bpfree_predict(&model, model_theta, samples[i], arena, BPFREE_FLOATS(arena), y);
    if (status) return status;
    for (uint32_t k = 0; k < MODEL_OUTPUTS; k++) {
      union {
        float value;
        uint32_t bits;
      } word = {y[k]};
      port_emit(PORT_WORD, word.bits);
    }
  }
  return bpfree_predict(&model, model_theta, samples[0], arena, 1, y) == BPFREE_ERR_SIZE ? 0 : 1;
}
"""


def inference(folder, compiler):
    """Only what inference needs of an export, with the options that it can do without."""
    firmware.export(MODEL, folder, trainer=TRAINER, steps=1)
    rows = ", ".join("{" + ", ".join(f"{v}f" for v in row) + "}" for row in ROWS.x.tolist())
    (folder / "main.c").write_text(MAIN.replace("ROWS", rows).replace("N;", f"{len(ROWS.x)};"))
    names = ["main.c", "model.c", *(f"port/{p.name}" for p in (folder / "port").glob("*.c"))]
    sources = [folder / name for name in names] + [folder / "runtime" / name for name in CORE]
    return emulate.compile_firmware(folder, optimize="Os", compiler=compiler, defines=OPTIONS, sources=sources)


def test_the_outputs_are_those_of_the_computer(workshop):
    result = emulate.run_firmware(inference(workshop, "zig"), timeout_s=60)
    assert result.exit_code == 0
    want = ReferenceEngine(exact=True).predict(MODEL.graph, MODEL.theta, MODEL.frozen, ROWS.x)
    assert np.array_equal(np.array(result.words, np.uint32), want.astype(np.float32).ravel().view(np.uint32))


@pytest.mark.parametrize("compiler", ["zig", "gnu"])
def test_no_training_code_is_linked(compiler, tmp_path):
    if compiler == "gnu" and not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed")
    built = inference(tmp_path, compiler)
    ours = {name for name in emulate.symbols(built) if name.startswith("bpfree_")}
    allowed = ("bpfree_predict", "bpfree_forward", "bpfree_arena_size", "bpfree_output", "bpfree_op_", "bpfree_bias")
    assert {name for name in ours if not name.startswith((*allowed, "bpfree_contract"))} == set()
    if compiler == "gnu":
        assert emulate.footprint(built).flash_bytes - 4 * ROWS.x.size <= MOST_FLASH
