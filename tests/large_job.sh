#!/usr/bin/env bash
# A job of many short rows, one token each: what host memory it takes beyond the weights, whether
# time is linear in rows, and whether a job that is killed half-way and resumed gives the same file
# with as little memory. Prints what it measures; fails when memory, a row count or a byte is wrong.
#
# Usage: tests/large_job.sh EET [ROWS, default 10000000 [MODEL, default samples/models/tales-llama]]
# Needs about 1 KiB of disk a row in TMPDIR.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=$(realpath "$1")
rows=${2:-10000000}
model=${3:-$root/samples/models/tales-llama}
limit_bytes=$((1 << 30)) # beyond the weights

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

make_input() {
  awk -v rows="$rows" 'BEGIN {
    count = split("Once|The king|A bird|Deep in the wood|Two", words, "|")
    srand(1)
    for (row = 0; row < rows; ++row) {
      word = words[1 + int(count * rand())]
      printf "{\"id\":\"row-%d\",\"prompt\":\"%s %d\"}\n", row, word, int(100 * rand())
    }
  }'
}

job=("$eet" generate -m "$model" --device cpu --max-tokens 1 --seed 1 --progress none -q)

# number STATS KEY: of the first such member.
number() {
  sed -n "s/.*\"$2\": *\([0-9.]*\).*/\1/p" "$1" | head -n 1
}

# report NAME STATS: prints one line, and checks the memory.
report() {
  local weights beyond
  weights=$(grep -A1 '"name": "weights"' "$2" | sed -n 's/.*"bytes": *\([0-9]*\).*/\1/p')
  beyond=$(($(number "$2" peak_host_bytes) - weights))
  echo "$1: $(number "$2" prompts) rows in $(number "$2" job) s," \
    "$(number "$2" requests_per_second) rows/s; peak host memory beyond the weights" \
    "$((beyond >> 10)) KiB; $(number "$2" served) rows from the journal"
  ((beyond <= limit_bytes)) ||
    { echo "$1: expected at most $limit_bytes bytes beyond the weights, got $beyond" >&2; exit 1; }
}

tenth=$((rows / 10))
make_input >"$scratch/whole.jsonl"
head -n "$tenth" "$scratch/whole.jsonl" >"$scratch/tenth.jsonl"

"${job[@]}" -i "$scratch/tenth.jsonl" -o "$scratch/tenth.out" --stats "$scratch/tenth.stats"
report "a tenth" "$scratch/tenth.stats"
SECONDS=0
"${job[@]}" -i "$scratch/whole.jsonl" -o "$scratch/whole.out" --stats "$scratch/whole.stats"
whole_seconds=$SECONDS
report "whole" "$scratch/whole.stats"

killed_and_resumed=(-i "$scratch/whole.jsonl" -o "$scratch/resumed.out")
"${job[@]}" "${killed_and_resumed[@]}" &
sleep "$((whole_seconds / 2)).5"
kill -KILL $! 2>/dev/null || true # done already, where it is that fast
wait $! 2>/dev/null || true
"${job[@]}" "${killed_and_resumed[@]}" --resume --stats "$scratch/resumed.stats"
# A job that was done already is left as it is, without statistics.
if [[ -e $scratch/resumed.stats ]]; then report "killed and resumed" "$scratch/resumed.stats"; fi

[[ $(wc -l <"$scratch/whole.out") == "$rows" ]] || { echo "whole: rows are missing" >&2; exit 1; }
cmp "$scratch/whole.out" "$scratch/resumed.out"
head -n "$tenth" "$scratch/whole.out" | cmp - "$scratch/tenth.out"
echo "all files equal"
