# SPDX-License-Identifier: MIT
"""Looking at a model or a run before it is trusted: first mu and lr, estimates against the gradient, floors."""
