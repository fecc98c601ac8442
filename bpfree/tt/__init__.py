# SPDX-License-Identifier: MIT
"""Tensor-train weights: shapes, sweeps, initialisation."""
