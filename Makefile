# Two commands set everything up: `make demo` to tag, `make test` to develop.
PYTHON ?= python3
BIN = $(if $(filter Windows_NT,$(OS)),Scripts,bin)
LIGHT = .venv-demo
FULL = .venv
# A file of tests per core at a time. A worker that crashes ends the run: replaced, it would wait for ever (pytest-xdist issue 1378).
PYTEST = $(FULL)/$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: demo test test-fast check docs clean web web-check

## make demo: the light install in its own environment; tags the example clips, draws their taggrams
demo: $(LIGHT)/installed
	$(LIGHT)/$(BIN)/earmark tag examples/clips --taggram demo
	@echo "taggrams: $(CURDIR)/demo"

# The built page is no part of it: after `make web` nothing is installed again.
$(LIGHT)/installed: pyproject.toml constraints.txt $(shell find src -path src/earmark/service/page -prune -o \( -name '*.py' -o -name '*.onnx' -o -name '*.json' \) -print)
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[plot]'
	@touch $@

## make test: everything installed, the whole suite, a file of tests per core at a time
test: $(FULL)/installed
	$(PYTEST)

## make test-fast: without slow tests, Ray and browsers; some two minutes once it is installed
test-fast: $(FULL)/installed
	$(PYTEST) -m "not slow and not ray and not browser"

$(FULL)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(FULL)
	$(FULL)/$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

## make check: lint, types, who imports whom, and the Dockerfile
check: $(FULL)/installed
	$(FULL)/$(BIN)/ruff check .
	$(FULL)/$(BIN)/ruff format --check .
	$(FULL)/$(BIN)/mypy
	$(FULL)/$(BIN)/lint-imports
	$(FULL)/$(BIN)/hadolint Dockerfile

## make docs: the documentation site, into build/site; fails on every warning
docs: $(FULL)/installed
	NO_MKDOCS_2_WARNING=1 $(FULL)/$(BIN)/mkdocs build --strict --quiet

## make web: the page, built into the package (needs Node.js 20.19 or newer); `earmark serve` of $(FULL) has it at once
web: web/node_modules/installed
	cd web && npm run build
	@echo "the page: $(CURDIR)/src/earmark/service/page; an earmark that was not installed with -e says at / how it gets it"

## make web-check: lint, types and tests of the page's own code
web-check: web/node_modules/installed
	cd web && npm run check && npm test

web/node_modules/installed: web/package-lock.json
	cd web && npm ci
	@touch $@

clean:
	rm -rf $(LIGHT) $(FULL) demo build dist web/node_modules web/generated src/earmark/service/page
