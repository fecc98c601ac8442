# SPDX-License-Identifier: MIT
"""Ways out of Python: firmware sources (and, later, ONNX graphs)."""

from bpfree.exporters import firmware

__all__ = ["firmware"]
