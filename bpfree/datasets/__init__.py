# SPDX-License-Identifier: MIT
"""Loaders of data sets: the digits come with the package; the others are found on disk or downloaded, and verified."""

from __future__ import annotations

from bpfree.datasets.digits import load_digits
from bpfree.datasets.fsdd import load_fsdd, load_recordings
from bpfree.datasets.log_mel import log_mel
from bpfree.datasets.mnist import load_fashion_mnist, load_mnist
from bpfree.datasets.samples import Images, Samples, Splits
from bpfree.datasets.table import DATASETS, Dataset
from bpfree.datasets.twristar import load_twristar

__all__ = [
    "DATASETS",
    "Dataset",
    "Images",
    "Samples",
    "Splits",
    "load_digits",
    "load_fashion_mnist",
    "load_fsdd",
    "load_mnist",
    "load_recordings",
    "load_twristar",
    "log_mel",
]
