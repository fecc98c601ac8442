# SPDX-License-Identifier: MIT
"""Studies of a model before it is trained: first mu and lr, estimates against the gradient, layer shares, floors."""
