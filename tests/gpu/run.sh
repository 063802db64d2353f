#!/bin/bash
# What only a GPU can show: the tests with the mark gpu, then the figures of tests/benchmarks/RESULTS.md, in eight minutes.
#   tests/gpu/run.sh [--out FOLDER] [--seconds 460] [--wheels FOLDER] [--only STEP] [--toy]
# Nothing is downloaded. PYTHON (default: python3) has torch and transformers; --wheels is a folder that
# tests/gpu/wheels.sh filled elsewhere, of which is used what this Python lacks. Each figure is in FOLDER/rows.jsonl as
# soon as it is measured; FOLDER/table.md is the table so far. --toy tries all of it in small, also without a GPU.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
wheels= words=()
while [ $# -gt 0 ]; do
  case $1 in
    --wheels) wheels=$2; shift 2 ;;
    --help | -h) sed -n 2,6p "$0"; exit ;;
    *) words+=("$1"); shift ;;
  esac
done
if [ -n "$wheels" ]; then
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  "$python" "$here/unpack.py" "$wheels" "$site"
  export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
fi
"$python" "$here/steps.py" "${words[@]}"
