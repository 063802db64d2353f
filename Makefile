# Two commands on a fresh machine with Python 3.11, git and make: `make demo` and `make test`.
PYTHON ?= python3
# CPU torch by default. With NVIDIA GPUs: make demo TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN = .venv/bin

.PHONY: demo test faults long install weights bench clean

demo: install
	$(BIN)/python launch/sweep.py launch/sweeps/demo.yaml

# Two processes: tests on SLURM mostly wait, the others compute.
test: install
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

# Preemption and time limits (not part of `make test`), dead nodes, dead and hung ranks, killed launchers, on a real SLURM.
faults: install
	$(BIN)/python -m pytest -m faults tests/slurm

# What `make test` has no time for: preemption, the whole of paper.yaml with tiny models and stages on the login node on a real SLURM, doubles.
long: install
	$(BIN)/python -m pytest -m long tests

install: .venv/installed

# Torch first and from its own index: a plain requirement would fetch several GB of CUDA libraries on Linux.
# Where that index is out of reach, pip's usual one.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --retries 0 --timeout 20 --index-url $(TORCH_INDEX) torch==2.13.0 || $(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

# The demo's two base models, made again from nothing (about five minutes on two cores).
weights: install
	$(BIN)/python -m winsweep.ship launch/sweeps/demo.yaml

bench: install
	for b in tests/benchmarks/bench_*.py; do $(BIN)/python $$b; done

clean:
	rm -rf .venv build src/*.egg-info
