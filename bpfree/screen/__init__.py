# SPDX-License-Identifier: MIT
"""What people look at: progress on stderr, pictures in files."""
