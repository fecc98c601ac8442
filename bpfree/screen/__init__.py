# SPDX-License-Identifier: MIT
"""Output for people: progress on stderr, and pictures in files."""
