#!/usr/bin/env bash
# What the journal costs: the sample models' throughput with it and without it, in pairs of jobs that
# take turns at being first. Prints the median of the pairs' ratios for each model, and fails where
# that is above 1.02. For a machine with nothing else to do.
#
# Usage: tests/journal_price.sh EET [PAIRS, default 9 [ROWS, default 1024]]
# Needs python3.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=$(realpath "$1")
pairs=${2:-9}
rows=${3:-1024}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for ((row = 0; row < rows; ++row)); do
  echo "{\"prompt\": \"Once upon a time there were $((row % 97))\", \"max_tokens\": $((16 + row % 49))}"
done >"$scratch/in.jsonl"

# seconds MODEL [FLAGS...]: of one job, loading apart.
seconds() {
  "$eet" generate -m "$root/$1" -i "$scratch/in.jsonl" -o "$scratch/out.jsonl" \
    --device cpu --seed 1 --ignore-eos -q --stats "$scratch/stats.json" "${@:2}"
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["seconds"]["job"])' \
    "$scratch/stats.json"
}

for model in samples/models/tales-llama tests/golden/models/tales-gpt2; do
  seconds "$model" >/dev/null # warms up
  for ((pair = 0; pair < pairs; ++pair)); do
    if ((pair % 2 == 0)); then
      with=$(seconds "$model")
      without=$(seconds "$model" --no-journal)
    else
      without=$(seconds "$model" --no-journal)
      with=$(seconds "$model")
    fi
    echo "$with $without"
  done >"$scratch/pairs"
  python3 - "$model" "$scratch/pairs" <<'PYTHON'
import statistics, sys
pairs = [[float(word) for word in line.split()] for line in open(sys.argv[2])]
ratios = sorted(a / b for a, b in pairs)
median = statistics.median(ratios)
print(f'{sys.argv[1]}: with the journal {statistics.median(a for a, _ in pairs):.3f} s, without '
      f'{statistics.median(b for _, b in pairs):.3f} s; of {len(pairs)} pairs the median ratio is '
      f'{median:.4f} ({ratios[0]:.4f} to {ratios[-1]:.4f})', flush=True)
sys.exit(median > 1.02)
PYTHON
done
