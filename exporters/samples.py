# SPDX-License-Identifier: MIT
"""Samples in a device's flash: what fits a model and its trainer, and samples.c."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.engines.batch import check_weights, mean_1
from bpfree.engines.given import check_finite_rows
from bpfree.errors import check_unmasked
from bpfree.exporters.c_text import array, float_literal, section
from bpfree.exporters.names import Names

_TEXT = """\
/* Samples in flash, {walked}. */
#include "{header}"

{section}
{rows}
{targets}
{weights}int {sample}(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{{
  {row}
  (void)user;
  for (uint32_t k = 0; k < {features}; k++) x[k] = (float)rows[row * {features} + k] * {scale};
{assign}{weigh}  return 0;
}}
"""


@dataclass(frozen=True)
class Samples:
    """Samples for the device's flash.

    rows: (n, features) uint8 with x = scale * byte, or float32 (then scale is
    1). labels (n,) for classification, or targets (n, outputs) float32; neither is
    needed where a program only predicts. weights (n,) float32, of a trainer that
    is `weighted`: divided by their mean, as `train` does.
    """

    rows: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    scale: float = 1.0
    weights: np.ndarray | None = None

    @property
    def x(self) -> np.ndarray:
        """What the network sees, (n, features) float32: the same bits as on the device."""
        return self.rows.astype(np.float32) * np.float32(self.scale)


def source(samples: Samples, names: Names, trainer=None, outputs: int = 0) -> str:
    """samples.c: the data as const arrays and the sample function, of minibatches or, without a trainer, in order."""
    labels = samples.labels is not None if trainer is None else trainer.loss.labels
    targets = not labels and samples.targets is not None
    assign = "  y->label = labels[row];\n" if labels else ""
    if targets:
        assign = f"  y->values = targets + row * {names.macro('OUTPUTS')};\n"
    walk = "const uint32_t row = i;\n  (void)step;"
    if trainer is not None:
        draw = f"{trainer.seed}u, step, {trainer.batch_size}, {len(samples.rows)}, i"
        walk = f"const uint32_t row = bpfree_batch_index({draw});"
    weighted = trainer is not None and trainer.weighted
    return _TEXT.format(
        walked="one after the other" if trainer is None else "walked in shuffled minibatches",
        header=names.files["header"],
        section=section("DATA", ".rodata.bpfree_data"),
        rows=_data("uint8_t" if samples.rows.dtype == np.uint8 else "float", "rows", samples.rows),
        targets=_data("uint32_t", "labels", samples.labels) if labels
        else _data("float", "targets", samples.targets) if targets else "",
        weights=_data("float", "weights", _weights(samples)) if weighted else "",
        sample=names.sample,
        row=walk,
        features=names.macro("FEATURES"),
        assign=assign or "  (void)y;\n",
        weigh="  y->weight = weights[row];\n" if weighted else "",
        scale=float_literal(samples.scale),
    )  # fmt: skip


def _data(kind: str, name: str, values) -> str:
    items = values.reshape(-1)
    texts = map(float_literal, items) if kind == "float" else items.tolist()
    return array(f"static const {kind} {name}", texts, "DATA")


def check(graph, samples: Samples, trainer=None) -> None:
    """Raise ValueError or TypeError where samples do not fit the model and the trainer, if there is one."""
    for name in ("rows", "labels", "targets", "weights"):
        check_unmasked(f"samples.{name}", getattr(samples, name))
    _check_rows(graph, samples)
    if trainer is not None and trainer.batch_size > len(samples.rows):
        least = f"at least batch_size={trainer.batch_size} rows"
        raise ValueError(f"samples.rows: expected {least}, got {len(samples.rows)}")
    if trainer.loss.labels if trainer else samples.labels is not None:
        _check_labels(graph, samples)
    elif trainer or samples.targets is not None:
        _check_given("targets", samples, (len(samples.rows), graph.output.size), np.floating)
        check_finite_rows("samples.targets", samples.targets)
    weighted = trainer is not None and trainer.weighted
    if (samples.weights is not None) != weighted:
        what = "weights, as the trainer's samples have some" if weighted else "None, as the trainer reads none"
        raise ValueError(f"samples.weights: expected {what}, got {_describe(samples.weights)}")
    if weighted:
        _weights(samples)  # raises where they are none


def _check_rows(graph, samples) -> None:
    rows = samples.rows
    if rows.ndim != 2 or rows.shape[1] != graph.input.size or rows.dtype not in (np.uint8, np.float32):
        raise ValueError(
            f"samples.rows: expected uint8 or float32 of shape (n, {graph.input.size}), got {rows.dtype} {rows.shape}"
        )
    if not len(rows):
        raise ValueError("samples.rows: expected one row or more, got none")
    with np.errstate(over="ignore", invalid="ignore"):
        check_finite_rows("samples.rows" if samples.scale == 1 else "samples.rows times samples.scale", samples.x)


def _check_labels(graph, samples) -> None:
    _check_given("labels", samples, (len(samples.rows),), np.integer)
    least, most = samples.labels.min(), samples.labels.max()
    if not 0 <= least <= most < graph.output.size:
        raise ValueError(f"samples.labels: expected labels in [0, {graph.output.size - 1}], got {least} to {most}")


def _check_given(name: str, samples, shape: tuple, kind) -> None:
    given = getattr(samples, name)
    if given is None or given.shape != shape or not np.issubdtype(given.dtype, kind):
        raise ValueError(f"samples.{name}: expected {kind.__name__} of shape {shape}, got {_describe(given)}")


def _weights(samples) -> np.ndarray:
    """The weights as `train` makes them of these samples."""
    name = "samples.weights"
    return mean_1(name, check_weights(name, samples.weights, len(samples.rows)))


def _describe(array) -> str:
    """dtype and shape, for a message."""
    return "None" if array is None else f"{array.dtype} {array.shape}"
