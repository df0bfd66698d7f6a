# make up     a whole facility on this machine, until Ctrl-C   (ARGS="--port 9000")
# make check  format, lint, types, import contracts, unit tests: under a minute
# make test   everything, in a real browser too
# make docs   the documentation, into docs/_build/html
# make clean  what the other targets left in the checkout; caches and data stay
.PHONY: up setup check test docs clean proof format
.DEFAULT_GOAL := up
PY := .venv/bin/python

setup:
	@tools/setup.sh up

up: setup
	@.venv/bin/jupyterhub-af up $(ARGS)

check:
	@tools/setup.sh check
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/pytest -q -n 2 tests/unit

test:
	@tools/setup.sh dev
	@tools/test.sh

proof:
	@tools/setup.sh dev
	@tools/proof.sh

docs:
	@tools/setup.sh check
	.venv/bin/sphinx-build -q -W -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

format:
	@tools/setup.sh check
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv build dist docs/_build artefacts .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf labextension/node_modules labextension/lib labextension/jupyterlab_af/labextension
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
