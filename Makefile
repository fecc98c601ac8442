# SPDX-License-Identifier: MIT
# Entry points for people and CI. Everything is installed in .venv and built in build; `make clean` undoes the latter.
# Written for GNU make 3.81 (macOS) and later.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
STAMP  := $(VENV)/.stamp
BUILD  := build
PIP_INSTALL := $(PY) -m pip install -q --disable-pip-version-check

# The environment's cmake and ninja go before the system's.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Without a working C compiler the zig compiler from PyPI serves as one. (\043 is a number sign.)
ifeq ($(origin CC),default)
FOUND_CC := $(shell for c in cc gcc clang; do \
	printf '\043include <stdlib.h>\n' | $$c -E - >/dev/null 2>&1 && { echo $$c; break; }; done)
ifeq ($(FOUND_CC),)
CC       := $(CURDIR)/$(VENV)/bin/zigcc
USE_ZIG  := yes
export CC
endif
else ifneq ($(CC),$(shell cat $(VENV)/.compiler 2>/dev/null))
NEW_CC   := yes
endif

# Each missing thing in one line, with the command that installs it. Runs in any Python 3.
define CHECK_PYTHON
import importlib.util, os, platform, sys, sysconfig
name, version = os.path.basename(sys.argv[1]), "%d.%d" % sys.version_info[:2]
package = name if name == "python3" else "python" + version
mac = platform.system() == "Darwin"
wrong = []
if sys.version_info < (3, 11):
    command = "brew install python@3.11" if mac else "sudo apt install python3.11 python3.11-venv python3.11-dev"
    wrong.append("%s is Python %s, 3.11 or later is needed: %s && make setup PYTHON=python3.11" % (name, version, command))
else:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        wrong.append("%s cannot make virtual environments: sudo apt install %s-venv" % (name, package))
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        command = "brew install python" if mac else "sudo apt install %s-dev" % package
        wrong.append("Python.h is missing, the C extension needs it: %s" % command)
for line in wrong:
    print("make setup: " + line, file=sys.stderr)
sys.exit(1 if wrong else 0)
endef
export CHECK_PYTHON

# What the build requires, and those requirements of the extras that are named.
define REQUIREMENTS
import sys, tomllib
table = tomllib.load(open("pyproject.toml", "rb"))
extras = sum(table["project"]["optional-dependencies"].values(), [])
print(*table["build-system"]["requires"], *(line for line in extras if line.startswith(tuple(sys.argv[1:]))))
endef
export REQUIREMENTS

# The rebuild at import calls plain `cmake`: let every Python of this environment find the environment's own.
define PATH_FILE
import pathlib, sysconfig
line = "import os, sys; os.environ['PATH'] = os.path.join(sys.prefix, 'bin') + os.pathsep + os.environ.get('PATH', os.defpath)"
pathlib.Path(sysconfig.get_path("purelib"), "_bpfree_path.pth").write_text(line + chr(10))
endef
export PATH_FILE

.PHONY: all help setup demo test test-all test-c test-wheel test-packages packages fuzz bench lint docs generate clean \
  distclean

all: help

help:
	@echo "make setup             .venv with bpfree, editable; edited C is rebuilt at the next import"
	@echo "make demo              train something small and show it"
	@echo "make test              C tests, then the Python tests without the slow ones (pip packages only)"
	@echo "make test-all          lint, C tests, the built wheel outside the tree, all Python tests (the site too)"
	@echo "make test-c            the C tests alone, with sanitizers where the compiler has them"
	@echo "make test-wheel        sdist and wheel, the wheel in a fresh environment"
	@echo "make packages          the C runtime for Arduino, PlatformIO, Zephyr, ESP-IDF, CMake and as a CMSIS pack"
	@echo "make test-packages     those with the frameworks' own validators, from PyPI"
	@echo "make fuzz              feeds damaged and hostile files to every reader, SECONDS=60 each, from SEED=1 on"
	@echo "make bench NAME=...    one bench; ARGS=--quick and the like are passed on"
	@echo "make lint              ruff"
	@echo "make docs              the site, in build/docs; warnings are errors"
	@echo "make generate          rewrite what follows from the tables: *.gen.*, manifests, lines of FORMAT.md, public names"
	@echo "make clean, distclean  remove build; remove .venv too"
	@echo "Settings: PYTHON=python3.12, CC=clang, PYTEST_ARGS='-k journal'"

setup: $(STAMP)

# CMake keeps to the compiler that it found first: for another one all is built anew.
ifeq ($(NEW_CC),yes)
.PHONY: $(STAMP)
endif

# A new package has to be found by the editable install, so that is made anew for one.
$(STAMP): pyproject.toml runtime_c/CMakeLists.txt $(wildcard runtime_c/cmake/*.* bpfree/*/__init__.py bpfree/*/*/__init__.py)
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "make setup: $(PYTHON) is missing: sudo apt install python3 python3-venv python3-dev" >&2; exit 1; }
	@"$(PYTHON)" -c "$$CHECK_PYTHON" "$(PYTHON)"
ifeq ($(NEW_CC),yes)
	@command -v $(firstword $(CC)) >/dev/null || \
	  { echo "make setup: CC=$(CC): there is no such compiler: install it, or leave CC out" >&2; exit 1; }
	@rm -rf $(BUILD)/c $(BUILD)/*-editable
endif
	@test -x $(PY) || { echo "Making $(VENV)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "Installing what the build needs"
	@$(PIP_INSTALL) $$($(PY) -c "$$REQUIREMENTS" cmake ninja $(if $(USE_ZIG),ziglang))
	@$(PY) -c "$$PATH_FILE"
ifeq ($(USE_ZIG),yes)
	@echo "No C compiler found: using the zig compiler from PyPI (CC=... chooses another)"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m ziglang cc "$$@"\n' >$(VENV)/bin/zigcc
	@chmod +x $(VENV)/bin/zigcc
endif
	@echo "Building and installing bpfree"
	@$(PIP_INSTALL) --no-build-isolation \
	  --config-settings=editable.rebuild=true --config-settings=cmake.define.BPFREE_WERROR=ON -e ".[dev]"
ifeq ($(NEW_CC),yes)
	@echo "$(CC)" >$(VENV)/.compiler
endif
	@touch $@
	@echo "Ready: $(VENV)/bin/bpfree --help"

demo: setup
	@$(VENV)/bin/bpfree demo

# One worker a core, each with one BLAS thread.
PYTEST := OPENBLAS_NUM_THREADS=1 $(PY) -m pytest -n auto --dist worksteal

test: setup test-c
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

# Python tests last: their closing line is the last word.
test-all: setup lint test-c test-wheel test-packages
	$(PYTEST) $(PYTEST_ARGS)

test-c: setup
	$(VENV)/bin/cmake -S runtime_c -B $(BUILD)/c -G Ninja -DBPFREE_WERROR=ON -DBPFREE_SANITIZE=address,undefined
	$(VENV)/bin/cmake --build $(BUILD)/c
	$(VENV)/bin/ctest --test-dir $(BUILD)/c --output-on-failure --no-tests=error

# From the sdist, so that a file missing there is noticed; started elsewhere, so that the tree cannot help.
test-wheel: setup
	rm -rf $(BUILD)/dist $(BUILD)/wheel-venv
	$(PY) -m build --no-isolation --outdir $(BUILD)/dist
	$(PY) -m venv $(BUILD)/wheel-venv
	$(BUILD)/wheel-venv/bin/python -m pip install -q --disable-pip-version-check $(BUILD)/dist/*.whl
	cd / && "$(CURDIR)/$(BUILD)/wheel-venv/bin/python" -I "$(CURDIR)/tests/wheel/smoke.py" "$(CURDIR)"

packages: setup
	@$(VENV)/bin/bpfree export packages $(BUILD)/packages

# In an environment of their own, as the validators bring forty packages along.
test-packages: packages
	@test -x $(BUILD)/packages-venv/bin/python || $(PY) -m venv $(BUILD)/packages-venv
	$(BUILD)/packages-venv/bin/python -m pip install -q --disable-pip-version-check \
	  "platformio>=6.1,<7" "idf-component-manager>=2,<4"
	$(BUILD)/packages-venv/bin/python tests/packages/validate.py $(BUILD)/packages

fuzz: setup
	BPFREE_FUZZ_SECONDS=$(or $(SECONDS),60) BPFREE_FUZZ_SEED=$(or $(SEED),1) $(PY) -m pytest --timeout 0 tests/fuzz $(PYTEST_ARGS)

bench: setup
	@test -n "$(NAME)" || { echo "usage: make bench NAME=<name> [ARGS=--quick]" >&2; $(VENV)/bin/bpfree bench --help >&2; exit 2; }
	@$(VENV)/bin/bpfree bench $(NAME) $(ARGS)

lint: setup
	$(PY) -m ruff check .

# -E: the pages come from docstrings, which Sphinx does not watch.
docs: setup
	$(PY) -m sphinx -W --keep-going -E -q -b html docs $(BUILD)/docs
	@echo "Ready: $(BUILD)/docs/index.html"

generate: setup
	$(PY) -m bpfree.generate

# The editable install builds in build/, so it is made anew after this.
clean:
	rm -rf $(BUILD) .pytest_cache .ruff_cache $(STAMP)
	find bpfree exporters tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	rm -rf $(VENV)
