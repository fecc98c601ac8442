# SPDX-License-Identifier: MIT
"""Ways out of Python: firmware sources, packages of the C runtime and ONNX files."""

from bpfree.exporters import firmware, onnx, packages

__all__ = ["firmware", "onnx", "packages"]
