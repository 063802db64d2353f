#!/bin/bash
# Gather what tests/gpu/run.sh needs beside torch and transformers, for machines that reach no package index:
#   tests/gpu/wheels.sh FOLDER
# Versions are those of PYTHON (default: python3). Wheels are for Linux on x86-64, Python 3.11 and 3.12.
set -eu
[ $# = 1 ] || { sed -n 2,4p "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
mkdir -p "$1"

version() { "$python" -c 'import importlib.metadata as m, sys; print(m.version(sys.argv[1]))' "$1"; }

platforms=()
for n in 28 27 24 17 12 5; do platforms+=(--platform "manylinux_2_${n}_x86_64"); done
for name in manylinux2014 manylinux2010 manylinux1; do platforms+=(--platform "${name}_x86_64"); done

names=$(grep -v '^#' "$here/wheels.txt")
wanted=()
for name in $names; do
  # DeepSpeed comes as source alone. Its wheel holds no compiled code: nothing of it is built here or there.
  if [ "$name" = deepspeed ]; then
    DS_BUILD_OPS=0 "$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$1" \
      "deepspeed==$(version deepspeed)"
  else
    wanted+=("$name==$(version "$name")")
  fi
done
for python_version in 3.11 3.12; do
  "$python" -m pip download --quiet --no-deps --only-binary=:all: --implementation cp --python-version $python_version \
    "${platforms[@]}" --dest "$1" "${wanted[@]}"
done

tree=$(cd "$here/../.." && git ls-files -z | xargs -0 du -cb | awk '$2 == "total" { sum += $1 } END { print sum }')
wheels=$(du -cb "$1"/*.whl | awk 'END { print $1 }')
awk -v tree="$tree" -v wheels="$wheels" \
  'BEGIN { printf "wheels %.1f MB, tree %.1f MB, together %.1f MB\n", wheels / 1e6, tree / 1e6, (wheels + tree) / 1e6 }'
