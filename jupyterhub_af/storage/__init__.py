"""The storage agent: the only process with power over everybody's files."""
