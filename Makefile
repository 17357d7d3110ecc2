# Two commands do everything: `make demo` and `make test`. Only python3 (3.11 or newer), make and git are assumed.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check

.PHONY: demo test check dist install clean

demo: install
	.venv/bin/chiasm demo

test: install
	.venv/bin/python -m pytest -n auto --dist loadfile

check: install
	./check

# What a release uploads, and whether its metadata and README are in order: docs/releases.md.
dist: install
	rm -rf dist
	.venv/bin/python -m hatchling build --directory dist
	.venv/bin/python -m twine check --strict dist/*

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt src/chiasm/__init__.py
	@command -v git >/dev/null || { echo "error: git is needed (Debian: apt-get install git)"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is needed, 3.11 or newer (Debian: apt-get install python3)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: python 3.11 or newer is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: python's venv is needed (Debian: apt-get install python3-venv)"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	$(PIP) install --quiet --no-deps --constraint constraints.txt rapidocr-onnxruntime || echo "note: rapidocr-onnxruntime is not for this Python: text in pictures is not read"
	touch .venv/installed

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
