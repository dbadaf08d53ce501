# Two environments, as there are two halves: .venv-demo has only what using models needs, .venv has everything.
# Both are made on demand and again only when pyproject.toml or constraints.txt changed.

.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

VENV := .venv
DEMO_VENV := .venv-demo
OUT := out

# The interpreter that environments are made with: the first of these that is new enough and can make one.
PYTHON_FITS = -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
PYTHON ?= $(shell for p in python3.11 python3; do if $$p $(PYTHON_FITS); then echo $$p; break; fi; done)
NEED_PYTHON = if ! '$(PYTHON)' $(PYTHON_FITS); then \
	echo 'Python: got $(or $(PYTHON),neither python3.11 nor python3 that fits); accepted: 3.11 or newer with the venv module' \
	'(Debian: apt-get install python3-venv), named with make PYTHON=...' >&2; exit 2; fi

PIP_INSTALL = bin/python -m pip install --quiet --disable-pip-version-check
TORCH = $(shell grep '^torch==' constraints.txt)
PYTEST_ARGS ?=
DEMO_EDIT = $(DEMO_VENV)/bin/packshot edit $(PHOTOS) --out $(OUT)/edit

DEMO_PROMPTS := "复古风格红色运动鞋" "黑色真皮商务皮鞋" "女士金色手表" \
	"retro red running shoe" "brown leather handbag for women" "blue backpack"

# What `make demo-edit` edits: pictures that it generates, or a folder of your own.
PHOTOS := $(OUT)/edit/photos

.PHONY: help demo demo-edit test coverage lint format types install docs-check constraints clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(DEMO_VENV)/.installed ## six prompts to pictures and a contact sheet in out/, without PyTorch
	$(DEMO_VENV)/bin/packshot generate $(DEMO_PROMPTS) --count 4 --seed 1 --out $(OUT) --sheet $(OUT)/contact-sheet.png

demo-edit: $(DEMO_VENV)/.installed-edit ## edited pictures, and sheets of before and after, in out/edit/ (PHOTOS=FOLDER for your own)
	if [ '$(PHOTOS)' = '$(OUT)/edit/photos' ]; then $(DEMO_VENV)/bin/packshot generate $(DEMO_PROMPTS) \
	--count 1 --seed 1 --size 512 --out $(PHOTOS); fi
	$(DEMO_EDIT)/cutout --cutout --sheet $(OUT)/edit/cutout.png
	$(DEMO_EDIT)/listing --background "gradient:#ffffff,#dfe3e8" --shadow contact --sheet $(OUT)/edit/listing.png
	$(DEMO_EDIT)/place --fit "1000x1000 share=0.6 upscale=yes" --background "walnut table before a sage wall, window light" \
	--shadow contact+drop --sheet $(OUT)/edit/place.png
	$(DEMO_EDIT)/light --fit "800x800 share=0.6 upscale=yes" --background "concrete, light from the right" \
	--shadow contact+drop --relight place --sheet $(OUT)/edit/light.png
	$(DEMO_VENV)/bin/python benchmarks/glass.py --count 1 --photos $(OUT)/edit/vessels
	$(DEMO_VENV)/bin/packshot edit $(OUT)/edit/vessels --out $(OUT)/edit/glass --cutout "glass=auto" \
	--background "walnut table before a sage wall, window light" --shadow contact+drop --sheet $(OUT)/edit/glass.png
	$(DEMO_EDIT)/recolour --recolour "#1f3a6e" --sheet $(OUT)/edit/recolour.png
	$(DEMO_EDIT)/badge --background "#f4f1ec" --fit "1000x1000 upscale=yes" --badge "NEW 新品" --sheet $(OUT)/edit/badge.png
	$(DEMO_EDIT)/turn --cutout --turn 8 --background "#ffffff" --sheet $(OUT)/edit/turn.png

PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test: lint ## everything: lint, then every test, as many files at once as there are cores
	$(PYTEST) $(PYTEST_ARGS)

coverage: $(VENV)/.installed ## every test, and which lines they run; takes a quarter longer
	$(PYTEST) --cov --cov-report=term $(PYTEST_ARGS)

lint: $(VENV)/.installed ## format, lint, types and layers, changing nothing
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed ## format and mend what can be mended
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

types: $(VENV)/.installed ## mypy alone
	$(VENV)/bin/mypy

install: $(VENV)/.installed ## the environment for development, .venv

docs-check: $(VENV)/.installed ## links, commands and options in the documents exist
	$(VENV)/bin/python tools/check_docs.py

constraints: $(VENV)/.installed ## resolve anew and rewrite constraints.txt
	$(VENV)/bin/python tools/pin.py
	touch $(VENV)/.installed

clean: ## remove environments, caches and out/
	rm -rf .venv .venv-demo $(OUT) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
	find src tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(DEMO_VENV)/.installed: pyproject.toml constraints.txt
	@$(NEED_PYTHON)
	@echo 'Installing packshot, without PyTorch, into $(DEMO_VENV)'
	'$(PYTHON)' -m venv $(DEMO_VENV)
	$(DEMO_VENV)/$(PIP_INSTALL) -c constraints.txt -e .
	touch $@

# Editing needs OpenCV and a font; `make demo` shows what it takes without them.
$(DEMO_VENV)/.installed-edit: $(DEMO_VENV)/.installed
	$(DEMO_VENV)/$(PIP_INSTALL) -c constraints.txt -e '.[edit]'
	touch $@

# PyTorch first and by its exact pin: see constraints.txt.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(NEED_PYTHON)
	@echo 'Installing packshot with everything into $(VENV)'
	'$(PYTHON)' -m venv $(VENV)
	$(VENV)/$(PIP_INSTALL) '$(TORCH)'
	$(VENV)/$(PIP_INSTALL) -c constraints.txt -e '.[train,data,edit,evaluate,diffusion,postgresql,provenance,ray,s3,safety,server,dev]'
	touch $@
