"""How the documentation is built: Sphinx with furo and MyST; the reference is made from the code first."""

import sys
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent / "src"), str(DOCS / "reference")]

project = "winsweep"
html_title = "winsweep"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_copyright = False
html_show_sphinx = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
default_role = "code"  # of `words` in docstrings
highlight_language = "none"  # of blocks that name none


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", lambda app: import_module("generate").write(DOCS / "reference"))


smartquotes = False  # "--cells" is an option, and no dash
