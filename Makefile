# make setup   .venv with the locked packages and .venv/bin/mpsclip      TORCH=cpu: no CUDA; PYTHON=…: which Python;
#              PROFILE=samgeo: with the SamGeo segmenters
# make demo    searches the drawn scene; on your own raster: make demo RASTER=path QUERY="what to look for"
# make test    lint, types, tests
# make lock    writes the locks anew (LOCK_OPTIONS=--upgrade: newest versions)
PYTHON ?= python3
TORCH ?=
PROFILE ?= engine
RASTER ?=
QUERY ?=
LOCK_OPTIONS ?=
# Unexpanded, and through the environment instead of the recipe's text: spaces, quotes and dollars survive.
override RASTER := $(value RASTER)
override QUERY := $(value QUERY)
export RASTER QUERY

.PHONY: setup demo test lock
.DEFAULT_GOAL := setup

setup:
	@$(PYTHON) scripts/setup_env.py --profile "$(PROFILE)" --torch "$(TORCH)"

demo: setup
	@set --; \
	if [ -n "$$RASTER" ]; then set -- "$$@" --raster "$$RASTER"; fi; \
	if [ -n "$$QUERY" ]; then set -- "$$@" --query "$$QUERY"; fi; \
	.venv/bin/mpsclip demo --out build/demo "$$@"

test:
	@$(PYTHON) scripts/setup_env.py --profile dev --torch "$(TORCH)"
	@bash scripts/check.sh

lock: setup
	@scripts/lock.sh build/installer/bin/uv $(LOCK_OPTIONS)
