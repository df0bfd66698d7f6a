"""``python -m jupyterhub_af.storage``: run the storage agent."""

from .app import main

main()
