# SPDX-License-Identifier: MIT
"""Back-propagation by AIfES, built and measured here like our own rows where its sources are.

They are looked for where the environment variable `BPFREE_AIFES` says: the folder of a checkout of
AIfES_for_Arduino. Nothing of it comes with bpfree. The program below is ours; it trains 64-32-10 by SGD with the
library's own training of one sample a step.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bpfree import emulate
from bpfree.bench.device_cases import BUILDS, TARGET, Build, figures_of
from bpfree.emulate.compilers import gnu
from bpfree.exporters import firmware
from bpfree.exporters.runtime import runtime_folder

VARIABLE = "BPFREE_AIFES"
_MAIN = f"""\
#include "port.h"
#include "aifes.h"

enum {{ INPUTS = 64, HIDDEN = 32, OUTPUTS = 10, PARAMETERS = (INPUTS + 1) * HIDDEN + (HIDDEN + 1) * OUTPUTS }};

static float parameters[PARAMETERS], x[INPUTS], y[OUTPUTS];
static uint32_t room[ROOM / 4];

int main(void)
{{
  uint16_t x_shape[] = {{1, INPUTS}}, y_shape[] = {{1, OUTPUTS}};
  ailayer_input_f32_t input = AILAYER_INPUT_F32_A(2, x_shape);
  ailayer_dense_f32_t first = AILAYER_DENSE_F32_A(HIDDEN), second = AILAYER_DENSE_F32_A(OUTPUTS);
  ailayer_relu_f32_t relu = AILAYER_RELU_F32_A();
  ailayer_softmax_f32_t softmax = AILAYER_SOFTMAX_F32_A();
  ailoss_crossentropy_f32_t loss;
  aiopti_sgd_f32_t sgd = AIOPTI_SGD_F32(0.05f);
  aimodel_t model;
  model.input_layer = ailayer_input_f32_default(&input);
  ailayer_t *layer = ailayer_dense_f32_default(&first, model.input_layer);
  layer = ailayer_relu_f32_default(&relu, layer);
  layer = ailayer_dense_f32_default(&second, layer);
  model.output_layer = ailayer_softmax_f32_default(&softmax, layer);
  model.loss = ailoss_crossentropy_f32_default(&loss, model.output_layer);
  aialgo_compile_model(&model);
  if (aialgo_sizeof_parameter_memory(&model) > sizeof parameters) return 1;
  aialgo_distribute_parameter_memory(&model, parameters, sizeof parameters);
  for (uint32_t k = 0; k < PARAMETERS; k++) parameters[k] = (float)(k % 17) / 64.0f - 0.125f;
  for (uint32_t k = 0; k < INPUTS; k++) x[k] = (float)(k % 17) / 16.0f;
  y[3] = 1.0f;
  aiopti_t *optimizer = aiopti_sgd_f32_default(&sgd);
  const uint32_t needed = aialgo_sizeof_training_memory(&model, optimizer);
  port_emit(PORT_WORD, needed);
  if (needed > sizeof room) return 2;
  aialgo_schedule_training_memory(&model, optimizer, room, needed);
  aialgo_init_model_for_training(&model, optimizer);
  aitensor_t sample = AITENSOR_2D_F32(x_shape, x), target = AITENSOR_2D_F32(y_shape, y);
  port_emit(PORT_MARK, {firmware.MARK_STEP});
  aialgo_train_model(&model, &sample, &target, optimizer, 1);
  port_emit(PORT_MARK, {firmware.MARK_STEP_DONE});
  return parameters[0] == -0.125f && parameters[PARAMETERS - 1] == parameters[1] ? 3 : 0;
}}
"""
"""main.c, with ROOM bytes for training; it ends with 2 where they are too few, and sends how many are needed."""


def why_not() -> str | None:
    """Return why AIfES cannot be built here, None where it can."""
    if not os.environ.get(VARIABLE):
        return f"{VARIABLE} is not set: the folder of AIfES_for_Arduino"
    compiler = gnu(emulate.TARGETS[TARGET])
    if not shutil.which(compiler) or not all(path.is_absolute() for path in _libraries()):
        return f"{compiler} or newlib is not installed: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    return None


def figures() -> dict[str, tuple[dict[str, int], str]]:
    """Return the measured numbers by metric, and what they are of, by the name of the row; none where it cannot run."""
    if why_not():
        return {}
    sources = Path(os.environ[VARIABLE]) / "src"
    return {f"aifes{suffix}": measure(sources, BUILDS[build]) for suffix, build in (("", ""), ("-O2", "O2"))}


def measure(sources: Path, build: Build) -> tuple[dict[str, int], str]:
    """Return sizes and the instructions of a step, and what compiler and flags built it."""
    with tempfile.TemporaryDirectory(prefix="bpfree-") as folder:
        needed = int(emulate.run_firmware(_compile(Path(folder) / "first", sources, build, 1 << 16)).words[0])
        built = _compile(Path(folder) / "own", sources, build, needed)
        found = figures_of(built)
    return found, f"{built.compiler} {build.text}, newlib's C library"


def _compile(folder: Path, sources: Path, build: Build, room: int) -> emulate.Firmware:
    """Build the program with the port of our firmware, `room` bytes for training and the C library of the toolchain."""
    shutil.copytree(runtime_folder() / "ports" / "cortex_m", folder / "port")
    shutil.copytree(sources, folder / "aifes", ignore=shutil.ignore_patterns("CMSIS", "cmsis", "avr_pgm", "*.cpp"))
    (folder / "main.c").write_text(_MAIN, "utf-8")
    return emulate.compile_firmware(
        folder, target=TARGET, optimize=build.optimize, compiler=build.compiler, defines=[f"ROOM={room}"],
        sources=[*sorted(folder.rglob("*.c")), *_libraries()],
        extra_flags=["-w", "-Wl,--defsym=end=__bss_end"], lto=build.lto,
    )  # fmt: skip


def _libraries() -> list[Path]:
    """Return newlib's libraries for the processor; of what is not installed only the names."""
    target = emulate.TARGETS[TARGET]
    command = [gnu(target), *target.cpu_flags]
    ask = lambda name: subprocess.check_output([*command, f"-print-file-name={name}"], text=True).strip()
    return [Path(ask(name)) for name in ("libm.a", "libc_nano.a", "libnosys.a")]
