# Everything here needs make and Python 3.11 or newer, and makes the rest itself in .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONSTRAINTS := constraints/airflow-3.3.2.txt
# Each version of Airflow that a constraints file is kept for.
MATRIX := $(patsubst constraints/airflow-%.txt,%,$(wildcard constraints/airflow-*.txt))

# One more than there are processors: many tests wait for servers and processes of theirs.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Without compiled modules each start of Airflow takes seconds longer; foreign modules have no place in .venv.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: test system-test test-matrix $(MATRIX:%=test-airflow-%) screenshots bench lint format demo airflow constraints clean

# The tests of tests/system start a whole Airflow, which wants the machine for itself.
test: lint
	$(BIN)/pytest -n $(WORKERS) -m 'not system' --ignore tests/system
	$(BIN)/pytest -m 'not system' tests/system

system-test: $(STAMP)
	scripts/system_packages.sh
	$(BIN)/pytest -n $(WORKERS) -m system --ignore tests/system
	$(BIN)/pytest -m system tests/system

test-matrix: lint $(MATRIX:%=test-airflow-%)

# Not here: the vendor's SDKs, the repository itself, the scripts and the fuzz of the emulator, which are the same for
# each version.
$(MATRIX:%=test-airflow-%): test-airflow-%: .venv-%/.installed
	.venv-$*/bin/pytest -p no:cacheprovider -n auto -m 'not system' --ignore tests/emulator/test_fuzz.py \
		tests/airflow tests/client tests/emulator tests/ingest tests/test_waiting.py tests/test_watch.py

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The pictures in docs/.
screenshots: $(STAMP)
	scripts/system_packages.sh
	mkdir -p docs/images
	$(BIN)/pytest -m system tests/system/test_browser.py --screenshots docs/images

bench: $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint $(CONSTRAINTS) --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

demo: $(STAMP)
	$(BIN)/python scripts/demo.py

# exec: Ctrl-C and SIGTERM reach the script itself, which stops what it started.
airflow: $(STAMP)
	exec $(BIN)/python scripts/airflow_standalone.py

# Older versions of Airflow are tried with the newest packages of a day that fits them. Those before 3.2 put no frame of
# pandas 3 into an XCom. The films of the example are a newer package than that.
DAY_OF_3.1.8 := 2026-03-20
constraints-%: $(STAMP)
	printf 'apache-airflow==$*\npandas<3\n' | $(BIN)/uv pip compile pyproject.toml - --extra dev --universal --upgrade \
		--python-version 3.11 --no-header --no-annotate --quiet --exclude-newer $(DAY_OF_$*) \
		--exclude-newer-package bokeh-sampledata=2026-11-20 --output-file constraints/airflow-$*.txt

# Writes the newest versions that fit together, for every Python that we support.
constraints: $(BIN)/python
	$(BIN)/python -m pip install --quiet uv
	echo apache-airflow==3.3.2 | $(BIN)/uv pip compile pyproject.toml - --all-extras --universal --upgrade \
		--python-version 3.11 --no-header --no-annotate --quiet --output-file $(CONSTRAINTS)

clean:
	rm -rf $(VENV) .venv-* .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The constraints hold for the build of a package too; newer versions of pip read them from the second variable.
$(STAMP): $(BIN)/python pyproject.toml $(CONSTRAINTS)
	PIP_CONSTRAINT=$(CONSTRAINTS) PIP_BUILD_CONSTRAINT=$(CONSTRAINTS) \
		$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(MATRIX:%=.venv-%/.installed): .venv-%/.installed: constraints/airflow-%.txt pyproject.toml | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-$*
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv-$*/bin/python \
		--constraint $< --build-constraint $< --editable '.[dev]'
	touch $@

# The first of these is the one that all of this was run with.
$(BIN)/python:
	@for python in python3.11 python3.12 python3.13 python3; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo 'No Python 3.11 or newer with its venv module found. Install one (on Debian: python3-venv), then run make again.' >&2; \
	exit 1
