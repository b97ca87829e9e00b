# SPDX-License-Identifier: Apache-2.0
"""The configuration of Sphinx for the copy of docs/ that docs/sphinx/build makes."""
import json
import os
import pathlib

_source = pathlib.Path(os.environ["BOTTLE_DOCS_SOURCE"])

project = "Bottle"
author = "The Bottle authors"
copyright = author  # noqa: A001 (the name that Sphinx reads)
release = version = os.environ["BOTTLE_DOCS_VERSION"]
today = os.environ["BOTTLE_DOCS_DATE"]
extensions = ["myst_parser"]
root_doc = "index"
highlight_language = "none"
# Blocks of JSON show members by name ("digest", ...), which is not JSON.
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

html_theme = "alabaster"
html_title = f"Bottle {release}"
html_theme_options = {
    "page_width": "auto",
    "sidebar_width": "15em",
    "fixed_sidebar": True,
    "show_powered_by": False,
    "font_family": "sans-serif",
    "head_font_family": "sans-serif",
}
html_sidebars = {"**": ["about.html", "navigation.html"]}
html_css_files = ["bottle.css"]
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False
smartquotes = False

man_pages = [
    tuple(page) for page in json.loads((_source / "man_pages.json").read_text(encoding="utf-8"))
]
man_show_urls = False


def _without_scripts(app, pagename, templatename, context, doctree):
    """Pages need no JavaScript, and the package need not contain jQuery. So there is no search, but
    an index."""
    context["script_files"] = []
    exists = context["hasdoc"]
    context["hasdoc"] = lambda name: name != "search" and exists(name)


def setup(app):
    # The modules of CMake are documented in its dialect of reStructuredText.
    app.add_crossref_type("cmake-command", "command", "single: %s (CMake command)")
    app.connect("html-page-context", _without_scripts)
    return {"parallel_read_safe": True}
