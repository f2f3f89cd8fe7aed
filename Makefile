# All targets write to .venv and .tools in this directory only. Exception: `make test` as root installs Debian's
# chromium if it is missing.

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
OK := $(VENV)/.ok
WORKERS ?= 6
ARGS ?=
BENCHMARKS := $(sort $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/*.py)) \
	$(patsubst benchmarks/%/__main__.py,%,$(wildcard benchmarks/*/__main__.py)))
comma := ,
CHECKS := $(wildcard scripts/check_*.py)

# Ignore an active virtual environment; write bytecode, or every process of the tests compiles everything again.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV PYTHONDONTWRITEBYTECODE
# Use the certificates of the system, which may include those of a company's proxy.
export UV_SYSTEM_CERTS := 1

# A virtual environment contains absolute paths; create it again if this directory was moved or copied.
ifneq ($(shell cat $(OK) 2>/dev/null),$(CURDIR))
$(OK): .FORCE
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test nightly check faults mutants browser bench docs lock sbom licenses audit clean .FORCE $(BENCHMARKS:%=bench-%)

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-19s %s\n", $$1, $$2}'

setup: $(OK)  ## Create .venv with all dependencies, each verified by its hash

demo: $(OK)  ## Run the demo: a model swap in replayed traffic, about a minute
	$(BIN)/driftd demo $(ARGS)

test: $(OK)  ## Run the tests (ARGS="-k word" selects some, WORKERS=0 uses one process)
	scripts/ensure-tools
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not nightly" $(ARGS)

# The stored messages hold figures whose digits depend on the kernel that OpenBLAS chooses for the processor.
nightly: export OPENBLAS_CORETYPE := Haswell
nightly: WORKERS := 3
nightly: $(OK)  ## Run the slow tests: long simulations and long texts
	scripts/ensure-tools
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m nightly $(ARGS)

check: $(OK)  ## Run lint, format, types, import directions, and the checks in scripts/
	@failed=0; \
	for command in "ruff check ." "ruff format --check ." mypy lint-imports $(CHECKS:%="python %"); do \
		echo "== $$command"; $(BIN)/$$command || failed=1; \
	done; exit $$failed

# Without workers, so that one process counts what was tried. SEEDS of the nemesis: three replicas, SECONDS of faults each.
faults: export DRIFTD_NEMESIS_SEEDS := $(if $(SEEDS),$(SEEDS),1$(comma)2$(comma)3)
faults: export DRIFTD_KILL_STRIDE := 1
faults: export DRIFTD_ANSWER_SECONDS := 1
faults: export DRIFTD_NEMESIS_SECONDS := $(or $(SECONDS),20)
faults: $(OK)  ## Fault tests: a kill at every step, a nemesis, stalls, full disks, wrong clocks, deliberate bugs (SEEDS=4,5 SECONDS=60)
	scripts/ensure-tools
	WORKERS=$(WORKERS) $(BIN)/python -m scripts.faults $(ARGS)

mutants: $(OK)  ## Run the mutation tests, half an hour (ARGS="--sample 100 --seed 2")
	$(BIN)/python -m scripts.mutants --workers $(WORKERS) $(ARGS)

browser: $(OK)  ## Every web page in Chromium: 3 widths, 2 themes, hostile content; errors, axe, clicks to approve; two minutes
	scripts/ensure-tools
	$(BIN)/python -m tests.web.browser_check

bench: $(OK)  ## Run every benchmark, over two hours
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name $(ARGS) || exit 1; done

bench-guard: $(OK)  ## Output parser against presidio: precision, recall, latency, obfuscated inputs, a minute (ARGS="--only pii")
	$(BIN)/python -m benchmarks.guard $(ARGS)

bench-presets: $(OK)  ## Read throughput of presets against plain tables; init and check; 15 minutes (ARGS="--only litellm")
	$(BIN)/python -m benchmarks.presets $(ARGS)

bench-spending: $(OK)  ## Equal shares of the alert budget against a joint maximum and e-detectors, a minute (ARGS="--seeds 2")
	$(BIN)/python -m benchmarks.spending $(ARGS)

bench-detection: $(OK)  ## False alerts and detection delays against Evidently and NannyML, half an hour (ARGS="--only quiet")
	$(BIN)/python -m benchmarks.detection $(ARGS)

bench-awkward: $(OK)  ## False alerts and detection delays on rare, heavy-tailed and clustered columns, an hour (ARGS="--only quiet")
	$(BIN)/python -m benchmarks.awkward $(ARGS)

bench-hallucination: $(OK)  ## Accuracy of the hallucination score on labelled sets (ARGS="--data DIR" adds sets)
	$(BIN)/python -m benchmarks.hallucination $(ARGS)

bench-experiments: $(OK)  ## False verdicts and power of A/B tests under repeated looks, ten minutes (ARGS="--simulations 200")
	$(BIN)/python -m benchmarks.experiments $(ARGS)

bench-objectives: $(OK)  ## False alerts and detection delays of service level objectives, a minute (ARGS="--weeks 20")
	$(BIN)/python -m benchmarks.objectives $(ARGS)

bench-rates: $(OK)  ## Coverage and warnings of rates with random, stratified and complaint-driven labels, five minutes
	$(BIN)/python -m benchmarks.rate_interval $(ARGS)

bench-hostile: $(OK)  ## Hostile texts and files: slowest record, delay of other monitors, memory; ten minutes (ARGS="--texts 1000")
	$(BIN)/python -m benchmarks.hostile $(ARGS)

bench-traces: $(OK)  ## Tokens, cost, percentiles and errors of real traces against pandas on the raw files, a minute
	$(BIN)/python -m benchmarks.traces $(ARGS)

bench-nulls: $(OK)  ## False positive rates by method, family of columns and sample size, half an hour (ARGS="--only rank")
	$(BIN)/python -m benchmarks.nulls $(ARGS)

bench-forecast: $(OK)  ## Coverage of the 80 % interval of the month's cost, on real and simulated series, a minute
	$(BIN)/python -m benchmarks.forecast $(ARGS)

bench-breaker: $(OK)  ## The breaker endpoint at 500 requests a second, with three replicas, without a database, three minutes (ARGS="--seconds 10")
	$(BIN)/python -m benchmarks.breaker $(ARGS)

bench-causes: $(OK)  ## Suspects, rollbacks and incidents per cause of 210 streams with known causes, ten minutes (ARGS="--seed 2")
	$(BIN)/python -m benchmarks.causes $(ARGS)

bench-reaction: $(OK)  ## Seconds from the first bad record to the request of a rollback, for 20 model swaps, a minute (ARGS="--seed 2")
	$(BIN)/python -m benchmarks.reaction $(ARGS)

bench-replay: $(OK)  ## Findings, decisions and actions of two versions of the code, compared; ten minutes (ARGS="--before COMMIT --after COMMIT")
	$(BIN)/python -m benchmarks.replay $(ARGS)

bench-rollback: $(OK)  ## From a model swap to its end, with real servers and a real daemon, twenty minutes (ARGS="--only slack")
	$(BIN)/python -m benchmarks.rollback $(ARGS)

bench-roles: $(OK)  ## Findings, incidents and actions with and without shadow, arm, evaluation and probe records; five minutes (ARGS="--seed 2")
	$(BIN)/python -m benchmarks.roles $(ARGS)

bench-short: $(OK)  ## Detection delays of changed rates, on a LiteLLM log and on flags, half an hour (ARGS="--only litellm")
	$(BIN)/python -m benchmarks.short $(ARGS)

bench-soak: $(OK)  ## Memory, descriptors, threads and store size of 40 monitors over a day, ten minutes (ARGS="--monitors 1 --days 30")
	$(BIN)/python -m benchmarks.soak $(ARGS)

bench-startup: $(OK)  ## CPU time and memory of `driftd version`, `health`, `--help` and of loading the configuration, ten seconds
	$(BIN)/python -m benchmarks.startup $(ARGS)

bench-store-size: $(OK)  ## Growth of driftd's own database by kind, 30 columns and 5 segments; ten minutes (ARGS="--days 30 --postgres")
	$(BIN)/python -m benchmarks.store_size $(ARGS)

docs: $(OK)  ## Generate the derived pages of docs/ and the dashboards
	$(BIN)/python -m scripts.docs
	$(BIN)/python -m dashboards.generate

# One resolution for Python 3.11, 3.12 and 3.13 (markers tell them apart), first of everything, then of the two
# parts with the same versions. UPGRADE=--upgrade takes the newest; without it, what is locked stays.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

lock: $(UV)  ## Resolve the dependencies into requirements*.lock
	$(COMPILE) --all-extras --group dev --group build pyproject.toml -o requirements-dev.lock
	$(COMPILE) -c requirements-dev.lock --all-extras pyproject.toml -o requirements.lock
	$(COMPILE) -c requirements-dev.lock --group pyproject.toml:build -o requirements-build.lock
	$(BIN)/python scripts/check_locks.py

sbom: $(OK)  ## Write the software bill of materials (CycloneDX 1.6) to build/sbom.cdx.json
	@mkdir -p build
	$(BIN)/python -m scripts.sbom > build/sbom.cdx.json

licenses: $(OK)  ## Print the licence of every package that is installed with driftd
	$(BIN)/python -m scripts.sbom --licenses

audit: $(OK)  ## Compare the locked packages with a copy of the advisories (DATA=all.zip or a folder; exit 2 without)
	$(BIN)/python -m scripts.audit $(if $(DATA),--data $(DATA)) $(ARGS)

clean:  ## Remove .venv, .tools, and all build and cache files
	rm -rf $(VENV) .tools build dist .coverage .coverage.* htmlcov .hypothesis .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Plain pip brings uv, checked against its hash; uv then installs ten times faster.
$(UV): requirements-build.lock scripts/find-python
	@python=$$(scripts/find-python) || exit 1; \
	echo "making $(VENV) with $$python"; \
	$$python -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-build.lock
	@touch $@

# Compiled now, so that the first start is as fast as the second, also where Python may write no bytecode.
# Where uv finds no way to a package index (it reads no pip.conf), pip does the same, only slower.
$(OK): $(UV) requirements-dev.lock pyproject.toml
	@$(BIN)/python -c '' 2>/dev/null && test "$$(cat $@ 2>/dev/null || echo $(CURDIR))" = "$(CURDIR)" \
		|| { rm -rf $(VENV); $(MAKE) --no-print-directory $(UV); }
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode \
		-r requirements-dev.lock \
		|| $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q detectors monitor
	@echo "$(CURDIR)" > $@
