# SPDX-License-Identifier: MIT
"""Tensor-train weights: shapes, contractions, initialisation."""
