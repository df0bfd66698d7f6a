"""The one-machine facility that ``jupyterhub-af up`` starts."""
