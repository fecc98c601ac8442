# SPDX-License-Identifier: MIT
"""How the site is built: `make docs`. Nothing is fetched from the network, neither now nor by the reader's browser."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import bpfree

project = "bpfree"
author = "The bpfree authors"
copyright = author
version = release = bpfree.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    # in _ext/
    "plain_docstrings",
    "public_names",
    "command_help",
    "ram_table",
    "memory_table",
    "mathml",
]
exclude_patterns = ["_build"]
language = "en"
smartquotes = False  # "compiled" is a string
nitpicky = False  # types of other projects are named, not linked: links would need their inventories from the network

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # FORMAT.md and the porting guide are read on their own too

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "bpfree"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_favicon = "_static/favicon.svg"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#0b6e4f", "color-brand-content": "#0b6e4f"},
    "dark_css_variables": {"color-brand-primary": "#6fd3a8", "color-brand-content": "#6fd3a8"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Pages that include a file of the tree take its links along; they lead to the pages made of those files.
PAGES = {
    "README.md": "contributing.md#the-house",
    "CHANGELOG.md": "changelog.md",
    "runtime_c/README.md": "porting.md",
    "runtime_c/FORMAT.md": "format.md",
    "FORMAT.md": "format.md",
}


def links_to_pages(app, path, parent, contents):
    """Called with the text of each included file before it is read."""
    contents[0] = re.sub(r"\]\(([^)#]+)\)", lambda link: f"]({PAGES.get(link[1], link[1])})", contents[0])


def setup(app):
    """Sphinx calls this."""
    app.connect("include-read", links_to_pages)
