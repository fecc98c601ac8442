# SPDX-License-Identifier: MIT
"""The training loop, what ends it, what it did, and what it keeps on the disk."""
