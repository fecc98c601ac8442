# SPDX-License-Identifier: MIT
"""main.c of an exported folder: each of its models trains or predicts, and is compared with what a computer makes."""

from __future__ import annotations

import textwrap

from bpfree.estimators.step import MOST_SKIPPED
from bpfree.exporters.manifest import Entry
from bpfree.exporters.names import Names

MARKS = {"MARK_STEP": 1, "MARK_STEP_DONE": 2, "MARK_SKIPPED": 3}
"""Numbers that a program sends before and after each training step, and behind one that was skipped."""

_TOP = """\
/* {does}.
 * It is an example to copy from, and yours: exporting again keeps a main.c that you have changed. */
{headers}#include "port.h"
#include "report.h"

#ifndef SEND_THETA
#define SEND_THETA 0 /* 1: theta is sent at the end, and `bpfree import` makes a model of it */
#endif
"""

_MARKS = """
enum {{ {marks} }}; /* what the emulator measures between */
enum {{ MOST_SKIPPED = {most_skipped} }};
"""

_TRAIN = """
/* A step whose sample cannot be had, or whose losses or update are not finite, is skipped and marked, without a record;
 * MOST_SKIPPED in a row end the run. */
static int train(const bpfree_trainer *trainer, bpfree_context *run, uint32_t steps{log_argument})
{{
  int status = BPFREE_OK;
  for (uint32_t skipped = 0; status == BPFREE_OK && run->step < steps;) {{
    port_emit(PORT_MARK, MARK_STEP);
    status = bpfree_step(trainer, run);
    port_emit(PORT_MARK, MARK_STEP_DONE);
    if (status == BPFREE_OK) {{
      skipped = 0;
      report_floats(run->coefficients, run->coefficient_floats);
{log_step}    }} else if (++skipped < MOST_SKIPPED) {{
{log_why}      status = bpfree_skip(trainer, run);
      port_emit(PORT_MARK, MARK_SKIPPED);
{log_skip}    }}
  }}
  return status;
}}
"""

_RAM = "\n/* All the RAM of {name}, but for the context of its run. */\n{floats}\n"

_RUN = """
static int train_{name}(void)
{{
  bpfree_context run = {{
{context}  }};
{log}  for (uint32_t k = 0; k < {THETA}; k++) {ram_theta}[k] = {theta}[k];
  int status = bpfree_train_init(&{trainer}, &run);
{log_begin}  if (status == BPFREE_OK) status = train(&{trainer}, &run, {STEPS}{log_given});
{log_end}  if (SEND_THETA) report_floats({ram_theta}, {THETA});
  return report("{name}", status, bpfree_hash({ram_theta}, {THETA}), {HASH});
}}
"""

_PREDICT = """
static int predict_{name}(void)
{{
  uint64_t hash = 0xcbf29ce484222325u; /* of the hashes of all outputs */
{right}  int status = BPFREE_OK;
  for (uint32_t i = 0; status == BPFREE_OK && i < {SAMPLES}; i++) {{
    bpfree_target target = {{0}};
    if ({sample}(0, 0, i, {x}, &target) < 0) status = BPFREE_ERR_CALLBACK;
    if (status == BPFREE_OK)
      status = bpfree_predict(&{model}, {theta}, {x}, {arena}, {ARENA}, {y});
    hash = (hash ^ bpfree_hash({y}, {OUTPUTS})) * 0x100000001b3u;
{count}  }}
{report}  return report("{name}", status, hash, {HASH});
}}
"""

_LARGEST = """
static uint32_t largest(const float *y, uint32_t n)
{
  uint32_t best = 0;
  for (uint32_t k = 1; k < n; k++) best = y[k] > y[best] ? k : best;
  return best;
}
"""

_MAIN = """
int main(void)
{{
{calls}}}
"""


def main(models: dict[str, Entry]) -> str:
    """main.c of these models, which run one after the other; the first that does not end well ends the program."""
    trains, logs = (any(getattr(entry, what) for entry in models.values()) for what in ("trains", "journal"))
    parts = [_TOP.format(does=_told(models), headers=_includes(models, logs))]
    if trains:
        marks = ", ".join(f"{name} = {number}" for name, number in MARKS.items())
        parts.append(_MARKS.format(marks=marks, most_skipped=MOST_SKIPPED))
    parts += [_ram(Names(name), entry) for name, entry in models.items()]
    if trains:
        parts.append(_train(logs))
    if any(entry.labels and not entry.trains for entry in models.values()):
        parts.append(_LARGEST)
    parts += [(_run if entry.trains else _predict)(Names(name), entry, logs) for name, entry in models.items()]
    calls = [f"{'train' if entry.trains else 'predict'}_{name}()" for name, entry in models.items()]
    return "".join([*parts, _MAIN.format(calls=_calls(*calls))])


def _calls(first: str, *others: str) -> str:
    """The lines of main()."""
    if not others:
        return f"  return {first};\n"
    rest = "".join(f"  if (status == BPFREE_OK) status = {call};\n" for call in others)
    return f"  int status = {first};\n{rest}  return status;\n"


def _told(models) -> str:
    """Return the sentence in the first line of main.c, which says what it does with each model."""
    trained = [name for name, entry in models.items() if entry.trains]
    predicted = [name for name, entry in models.items() if not entry.trains]
    verbs = (("trains", trained), ("predicts with", predicted))
    does = " and ".join(f"{verb} {', '.join(names)}" for verb, names in verbs if names)
    return f"{does[0].upper()}{does[1:]}, and compares the bits with the computer's"


def _includes(models, logs: bool) -> str:
    own = "".join(f'#include "{Names(name).files["header"]}"\n' for name in models)
    return '#include "log.h"\n' * logs + own


def _ram(names: Names, entry: Entry) -> str:
    """The buffers of a model."""
    of_model, of_trainer, ram = names.macro, names.of_trainer, names.ram
    if entry.trains:
        sizes = {"theta": of_model("THETA"), "x": of_model("FEATURES"), "arena": of_trainer("ARENA")}
        sizes |= {"record": of_trainer("RECORD")} | {part: of_trainer(part.upper()) for part in entry.buffers}
    else:
        sizes = {"x": of_model("FEATURES"), "arena": of_model("ARENA"), "y": of_model("OUTPUTS")}
    floats = "float " + ", ".join(f"{ram(part)}[{size}]" for part, size in sizes.items()) + ";"
    text = _RAM.format(name=names.name, floats=textwrap.fill(floats, 120, subsequent_indent="  "))
    return text + (f"uint8_t {ram('journal')}[{of_trainer('JOURNAL')}];\n" if entry.journal else "")


def _train(logs: bool) -> str:
    log_step = "      if (log) status = log_step(log, run, BPFREE_OK);\n"
    log_skip = "      if (log && status == BPFREE_OK) status = log_step(log, run, why);\n"
    return _TRAIN.format(
        log_argument=", run_log *log" * logs,
        log_step=log_step * logs,
        log_why="      const int why = status;\n" * logs,
        log_skip=log_skip * logs,
    )


def _run(names: Names, entry: Entry, logs: bool) -> str:
    """The function that trains a model."""
    text = f"{names.settings}, {names.of_trainer('SETTINGS')}"
    log_begin = (
        "  if (status == BPFREE_OK)\n"
        f"    status = log_begin(&log, &{names.trainer}, &run, BPFREE_{entry.journal}, {text});\n"
    )
    log_end = "  if (status == BPFREE_OK) status = log_end(&log, &run);\n"
    logged = bool(entry.journal)
    return _RUN.format(
        name=names.name,
        context=_context(names, entry),
        log=f"  run_log log = {{.bytes = {names.ram('journal')}, .room = {names.of_trainer('JOURNAL')}}};\n" * logged,
        log_begin=log_begin * logged,
        log_given=(", &log" if logged else ", 0") * logs,
        log_end=log_end * logged,
        ram_theta=names.ram("theta"),
        theta=names.theta,
        trainer=names.trainer,
        **{size: names.macro(size) for size in ("THETA", "STEPS", "HASH")},
    )


def _context(names: Names, entry: Entry) -> str:
    """The lines of the context's initialiser, a buffer and its size in each."""
    members = {"theta": names.macro("THETA"), "x": names.macro("FEATURES"), "arena": names.of_trainer("ARENA")}
    members |= {part: names.of_trainer(part.upper()) for part in ("record", *entry.buffers)}
    told = []
    for buffer, size in members.items():
        member = "coefficients" if buffer == "record" else buffer
        told.append(f".{member} = {names.ram(buffer)}, .{member.removesuffix('s')}_floats = {size},")
    return "".join(f"    {line}\n" for line in told)


def _predict(names: Names, entry: Entry, logs: bool) -> str:
    """The function that predicts with a model."""
    counted = f"largest({names.ram('y')}, {names.macro('OUTPUTS')}) == target.label"
    return _PREDICT.format(
        name=names.name,
        right="  uint32_t right = 0;\n" * entry.labels,
        count=f"    if (status == BPFREE_OK && {counted}) right++;\n" * entry.labels,
        report=f'  report_right("{names.name}", right, {names.macro("SAMPLES")});\n' * entry.labels,
        sample=names.sample,
        model=names.model,
        theta=names.theta,
        **{buffer: names.ram(buffer) for buffer in ("x", "arena", "y")},
        **{size: names.macro(size) for size in ("SAMPLES", "ARENA", "OUTPUTS", "HASH")},
    )
