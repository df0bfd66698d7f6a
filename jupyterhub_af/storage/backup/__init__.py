"""Rolling backups of trees: rsync between two sandboxes, kept in plain folders.

The agent (``line``) asks a worker process for one tree after the other; the worker
(``worker``) makes one generation at a time (``copy``) in the tree's ``place``.
"""
