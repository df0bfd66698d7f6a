"""How the documentation is built: `make docs`."""

import jupyterhub_af

project = "jupyterhub-af"
author = "The jupyterhub-af team"
version = release = jupyterhub_af.__version__
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = []
exclude_patterns = ["_build", "proof"]
nitpicky = True
