"""A JupyterHub analysis facility: one policy, enforced in every process."""

__version__ = "0.1.0.dev0"
