"""The command ``jupyterhub-af``."""
