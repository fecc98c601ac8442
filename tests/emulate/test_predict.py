"""A firmware that only infers: bpfree_predict, without the training code, in 2,048 bytes."""

import shutil
import struct

import numpy as np
import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles, runs or reads firmware: pip install "bpfree[emulate]"')

import bpfree as bf  # noqa: E402
from bpfree import emulate  # noqa: E402
from bpfree.datasets import load_digits  # noqa: E402
from bpfree.engines.reference import ReferenceEngine  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402
