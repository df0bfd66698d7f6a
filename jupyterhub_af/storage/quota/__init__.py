"""Who holds a tree to its quota: its file system where it can, else the agent's count."""
