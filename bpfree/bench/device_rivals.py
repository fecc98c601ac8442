# SPDX-License-Identifier: MIT
"""Back-propagation on the same processor: the figures that were published."""

from __future__ import annotations

from bpfree.bench import device_aifes
from bpfree.bench.device_cases import TARGET
from bpfree.bench.rows import row

MLP = f"mlp-64-32-10@{TARGET}"
ELSEWHERE = "measured elsewhere, not in this run"
PUBLISHED = {
    "aifes": {"total_ram_bytes": 29_200, "flash_bytes": 11_600, "instructions_per_step": 424_750},
    "aifes-O2": {"instructions_per_step": 282_420},
    "pulp-trainlib": {"total_ram_bytes": 20_000, "instructions_per_step": 86_070},
}
"""Published figures of back-propagation and SGD: same network, float32, Cortex-M4F under qemu, one sample per step.

A KB counts as 1000 bytes. AIfES was compiled with GCC at -Os and -O2; the flags of
PULP-TrainLib's STM32 branch are unknown. It is also unknown whether their RAM includes the
stack; ours, with which it is compared, does.
"""


def figures() -> dict[str, tuple[dict[str, int], str]]:
    """Return numbers by metric, and what they are of, by the name of the row: published, or of sources built here."""
    why = device_aifes.why_not()
    found = {name: (numbers, ELSEWHERE) for name, numbers in PUBLISHED.items()}
    if why:
        found |= {name: (numbers, f"{text} ({why})") for name, (numbers, text) in found.items() if "aifes" in name}
    found |= device_aifes.figures()
    return {f"{MLP}/{name}": own for name, own in found.items()}


def rows(found: dict) -> list[dict]:
    """Return the rows of these figures."""
    return [
        row("device", name, metric, value, unit_of(metric), text)
        for name, (numbers, text) in found.items()
        for metric, value in numbers.items()
    ]


def unit_of(metric: str) -> str:
    """Return the unit of a metric by its name."""
    return "B" if metric.endswith("bytes") else "samples" if metric.startswith("samples") else "instructions"
