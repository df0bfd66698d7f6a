"""What will run in the Dask Gateway server."""
