"""``python -m jupyterhub_af.storage.backup``: the agent's worker that copies trees."""

from .worker import main

main()
