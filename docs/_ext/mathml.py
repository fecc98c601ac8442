# SPDX-License-Identifier: MIT
"""Renders formulas as MathML, which browsers display without scripts, fonts or a network."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def _inline(self, node) -> None:
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(self, node) -> None:
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Add the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}
