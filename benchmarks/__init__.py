"""What the facility costs, held against what it stands beside: `python -m benchmarks`."""
