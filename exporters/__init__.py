# SPDX-License-Identifier: MIT
"""Ways out of Python: firmware sources and ONNX files."""

from bpfree.exporters import firmware, onnx

__all__ = ["firmware", "onnx"]
