"""The one policy: pure data and pure functions that every process shares.

Nothing here reads a file, a clock, an environment or a network; the edges pass
values in. See ``docs/contributing/rooms.md`` for who calls what.
"""
