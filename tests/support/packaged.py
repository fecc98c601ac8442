"""The program of the Arduino example, as the tests of packages build it: its C files, and a main that prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bpfree.exporters.runtime import runtime_folder

RUNTIME = runtime_folder()
EXAMPLE = RUNTIME / "arduino" / "examples" / "Train"
PARTS = ("model.c", "trainer.c", "samples.c")
EXPECTED = re.search(r"MODEL_HASH 0x(\w{16})u", (EXAMPLE / "model.h").read_text()).group(1)

MAIN = """\
#include "model.h"
#include "report.h"

static float theta[MODEL_THETA], x[MODEL_FEATURES], arena[TRAINER_ARENA], record[TRAINER_RECORD];

static bpfree_context run;

int main(void)
{
  run.theta = theta;
  run.x = x;
  run.arena = arena;
  run.coefficients = record;
  run.theta_floats = MODEL_THETA;
  run.x_floats = MODEL_FEATURES;
  run.arena_floats = TRAINER_ARENA;
  run.coefficient_floats = TRAINER_RECORD;
  for (uint32_t k = 0; k < MODEL_THETA; k++) theta[k] = model_theta[k];
  int status = bpfree_train_init(&trainer, &run);
  while (status == BPFREE_OK && run.step < MODEL_STEPS) status = bpfree_step(&trainer, &run);
  report(bpfree_hash(theta, MODEL_THETA));
  return status;
}
"""
"""C99 and C++11."""

PRINTED = """\
#include <stdio.h>
static void report(uint64_t hash)
{
  printf("theta %08lx%08lx\\n", (unsigned long)(hash >> 32), (unsigned long)(hash & 0xffffffffu));
}
"""

BARE = """\
#ifdef __cplusplus
extern "C" {
#endif
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n);
void *memset(void *to, int value, __SIZE_TYPE__ n);
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n)
{
  for (__SIZE_TYPE__ k = 0; k < n; k++) ((volatile char *)to)[k] = ((const char *)from)[k];
  return to;
}
void *memset(void *to, int value, __SIZE_TYPE__ n)
{
  for (__SIZE_TYPE__ k = 0; k < n; k++) ((volatile char *)to)[k] = (char)value;
  return to;
}
#ifdef __cplusplus
}
#endif
volatile uint64_t reported;
static void report(uint64_t hash) { reported = hash; }
"""
"""No C library: what a compiler calls all the same, and a place for the hash."""


def program(folder: Path, main: str = "main.c", report: str = PRINTED) -> Path:
    """Write the program's sources into `folder`, with a main that hands its hash to `report`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in EXAMPLE.glob("*.[ch]"):
        shutil.copy(path, folder)
    (folder / main).write_text(MAIN)
    (folder / "report.h").write_text(report)
    return folder


def require(*tools: str, hint: str = "") -> None:
    """Skip the test where a program is missing; fail where BPFREE_REQUIRE_TOOLS says that it has to be there."""
    missing = [tool for tool in tools if shutil.which(tool, path=path()) is None]
    if missing and "BPFREE_REQUIRE_TOOLS" in os.environ:
        pytest.fail(f"{', '.join(missing)} missing: {hint}")
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: {hint}")


def trained_with(folder: Path, sources, include: Path, *flags) -> str:
    """Compile the program in `folder` with these sources of a package on this computer; returns what it prints."""
    require("cc", hint="apt install gcc")
    program(folder)
    own = [folder / name for name in ("main.c", *PARTS)]
    call("cc", "-O2", *flags, f"-I{include}", f"-I{folder}", *own, *sources, "-o", folder / "app", cwd=folder)
    return call(folder / "app", cwd=folder).stdout.strip()


def path() -> str:
    """PATH with the programs of this environment first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def call(*command, cwd: Path, check: bool = True) -> subprocess.CompletedProcess:
    """Run a command and return its result, output and errors in one; raises AssertionError where it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, "PATH": path()}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout
    return done
