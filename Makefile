# make setup   .venv with the locked packages and .venv/bin/mpsclip      TORCH=cpu: no CUDA; PYTHON=…: which Python;
#              PROFILE=samgeo: with the SamGeo segmenters
# make demo    searches the drawn scene; on your own raster: make demo RASTER=path QUERY="what to look for"
# make qgis    starts QGIS with the plugin and the drawn scene, in a profile of its own below build/
# make zip     dist/qgis_mpsclip-VERSION.zip, to be installed in QGIS
# make test    lint, types, all tests; installs QGIS where it may     make test-engine, make test-plugin: one half
# make screenshots     the documentation's pictures, from QGIS itself
# make prove-install   from the zip alone to hits on the map: installs the engine for a fresh QGIS profile, removes it again
# make test-qgis-sid   the plugin's tests in Debian unstable's QGIS, in a folder below build/; by hand, as root
# make lock    writes the locks anew (LOCK_OPTIONS=--upgrade: newest versions)
# make lock-torch ACCELERATOR=cpu      locks another build of PyTorch, from PyTorch's own index; INDEX=URL: from a mirror
PYTHON ?= python3
TORCH ?=
PROFILE ?= engine
RASTER ?=
QUERY ?=
LOCK_OPTIONS ?=
ACCELERATOR ?=
INDEX ?=
# Unexpanded, and through the environment instead of the recipe's text: spaces, quotes and dollars survive.
override RASTER := $(value RASTER)
override QUERY := $(value QUERY)
export RASTER QUERY

.PHONY: setup setup-dev setup-qgis demo qgis zip test test-engine test-plugin screenshots prove-install test-qgis-sid lock lock-torch
.DEFAULT_GOAL := setup

setup:
	@$(PYTHON) scripts/setup_env.py --profile "$(PROFILE)" --torch "$(TORCH)"

setup-dev:
	@$(PYTHON) scripts/setup_env.py --profile dev --torch "$(TORCH)"

setup-qgis:
	@$(PYTHON) scripts/setup_qgis.py

demo: setup
	@set --; \
	if [ -n "$$RASTER" ]; then set -- "$$@" --raster "$$RASTER"; fi; \
	if [ -n "$$QUERY" ]; then set -- "$$@" --query "$$QUERY"; fi; \
	.venv/bin/mpsclip demo --out build/demo "$$@"

qgis: setup setup-qgis
	@.venv/bin/python scripts/run_qgis.py

zip:
	@$(PYTHON) scripts/make_zip.py

# QGIS first: where it cannot be had, that is said before minutes of tests.
test: setup-qgis setup-dev
	@bash scripts/check.sh all

test-engine: setup-dev
	@bash scripts/check.sh engine

test-plugin: setup-qgis setup-dev
	@bash scripts/check.sh plugin

screenshots: setup setup-qgis
	@.venv/bin/python scripts/screenshots.py

prove-install: setup-qgis
	@$(PYTHON) scripts/prove_install.py

test-qgis-sid: setup-dev
	@bash scripts/test_qgis_sid.sh

lock: setup
	@scripts/lock.sh build/installer/bin/uv $(LOCK_OPTIONS)

lock-torch: setup
	@.venv/bin/python scripts/lock_torch.py build/installer/bin/uv "$(ACCELERATOR)" $(if $(INDEX),--index "$(INDEX)")
	@.venv/bin/python scripts/describe_locks.py build/installer/bin/uv
