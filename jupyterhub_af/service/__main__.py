"""``python -m jupyterhub_af.service``: run the service ``af``."""

from __future__ import annotations

from .app import main

if __name__ == "__main__":
    main()
