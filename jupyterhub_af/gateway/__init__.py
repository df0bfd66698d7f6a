"""What runs in the Dask Gateway server: who asks, which ceilings hold, what is started.

A cluster belongs to one start of one server. What it is made of comes from the plan that
the service recorded for that start, never from who asks; what may be chosen is cut to
today's ``Access``.
"""
