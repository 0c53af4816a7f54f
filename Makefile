# Two commands do everything: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
PYTHON ?= python3
V := .venv/bin
ONLY ?=

.PHONY: demo check check-style check-deploy check-service check-vision test test-long test-lab bench locks clean

demo: .venv/deploy  ## Deploy to a lab host over SSH, ask about a picture through the proxy, print the answer.
	@deploy/lab/prerequisites.sh
	@deploy/lab/demo.sh

check: export PYTHONDONTWRITEBYTECODE =# A sixth of the time is compiling what has not changed since.
check: .venv/dev  ## Format, lint, imports, types, unit tests; three at a time, for each waits now and then.
	@$(MAKE) --no-print-directory -j3 --output-sync=target check-vision check-deploy check-service check-style

check-style:
	$(V)/ruff format --check .
	$(V)/ruff check .
	$(V)/lint-imports
	$(V)/mypy

check-deploy:
	$(V)/pytest -q -m "not lab and not long" --ignore=tests/service

check-service:  # by itself: pyinfra's greenlets replace the threads that the service needs
	$(V)/pytest -q -m "not browser and not long" tests/service --ignore=tests/service/vision

check-vision:
	$(V)/pytest -q -m "not browser and not long" tests/service/vision

test: .venv/dev  ## Everything: check, then what takes longer, the page in a browser among it, then the lab.
	@deploy/lab/prerequisites.sh test
	$(MAKE) check
	@$(MAKE) --no-print-directory -j2 test-long test-lab  # The lab leaves half of two processors idle.

test-long:
	$(V)/pytest -q -m "browser or long" tests/service
	$(V)/pytest -q -m long --ignore=tests/service

test-lab:
	$(V)/pytest -m lab

bench: .venv/dev  ## Measure: `make bench ONLY=name`; writes build/bench.json.
	@deploy/lab/prerequisites.sh test
	$(V)/python -m tests.bench $(ONLY)

.venv/deploy: deploy/deploy.lock pyproject.toml
	$(call environment,deploy/deploy.lock)

.venv/dev: tests/dev.lock pyproject.toml
	$(call environment,tests/dev.lock)
	@touch .venv/deploy

# The distribution's python3 may lack venv's ensurepip; prerequisites.sh installs it where it can.
define environment
	@deploy/lab/prerequisites.sh python
	@test -x $(V)/python || $(PYTHON) -m venv .venv
	@echo "casemate: installing $< into .venv" >&2
	@$(V)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(V)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
endef

locks: .venv/dev  ## Write the five locks anew from pyproject.toml's groups and today's versions.
	$(V)/python -m deploy.release.locks

clean:  ## Remove what was built here; caches and the lab stay.
	rm -rf .venv build
