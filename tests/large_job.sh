#!/usr/bin/env bash
# A job of many short rows, one token each: what host memory it takes beyond the weights, whether
# time is linear in rows, and whether a job that is killed half-way and resumed gives the same file
# with as little memory. Prints what it measures; fails when memory, a row count or a byte is wrong.
#
# Usage: tests/large_job.sh EET [ROWS, default 10000000 [MODEL, default samples/models/tales-llama]]
# Needs python3, and about 1 KiB of disk a row in TMPDIR.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=$(realpath "$1")
rows=${2:-10000000}
model=${3:-$root/samples/models/tales-llama}
limit_bytes=$((1 << 30))  # beyond the weights

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

make_input() {
  python3 - "$1" >"$2" <<'PYTHON'
import random, sys
draw = random.Random(1)
words = ["Once", "The king", "A bird", "Deep in the wood", "Two"]
for row in range(int(sys.argv[1])):
    print('{"id":"row-%d","prompt":"%s %d"}' % (row, draw.choice(words), draw.randrange(100)))
PYTHON
}

job=("$eet" generate -m "$model" --device cpu --max-tokens 1 --seed 1 --progress none)

# report NAME STATS: prints one line, and checks the memory.
report() {
  python3 - "$1" "$2" "$limit_bytes" <<'PYTHON'
import json, sys
name, path, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
stats = json.load(open(path))
plan = {item["name"]: item["bytes"] for item in stats["memory"]["plan"]}
beyond = stats["memory"]["peak_host_bytes"] - plan["weights"]
print(f'{name}: {stats["prompts"]} rows in {stats["seconds"]["job"]:.1f} s, '
      f'{stats["requests_per_second"]:.0f} rows/s; peak host memory beyond the weights '
      f'{beyond / 2**20:.1f} MiB; {stats["resumed"]["served"]} rows from the journal', flush=True)
sys.exit(f'{name}: expected at most {limit} bytes beyond the weights, got {beyond}'
         if beyond > limit else 0)
PYTHON
}

tenth=$((rows / 10))
make_input "$rows" "$scratch/whole.jsonl"
head -n "$tenth" "$scratch/whole.jsonl" >"$scratch/tenth.jsonl"

"${job[@]}" -i "$scratch/tenth.jsonl" -o "$scratch/tenth.out" --stats "$scratch/tenth.stats" -q
report "a tenth" "$scratch/tenth.stats"
SECONDS=0
"${job[@]}" -i "$scratch/whole.jsonl" -o "$scratch/whole.out" --stats "$scratch/whole.stats" -q
whole_seconds=$SECONDS
report "whole" "$scratch/whole.stats"

killed_and_resumed=(-i "$scratch/whole.jsonl" -o "$scratch/resumed.out" -q)
"${job[@]}" "${killed_and_resumed[@]}" &
sleep "$((whole_seconds / 2)).5"
kill -KILL $!
wait $! 2>/dev/null || true
"${job[@]}" "${killed_and_resumed[@]}" --resume --stats "$scratch/resumed.stats"
report "killed and resumed" "$scratch/resumed.stats"

[[ $(wc -l <"$scratch/whole.out") == "$rows" ]] || { echo "whole: rows are missing" >&2; exit 1; }
cmp "$scratch/whole.out" "$scratch/resumed.out"
head -n "$tenth" "$scratch/whole.out" | cmp - "$scratch/tenth.out"
echo "all files equal"
