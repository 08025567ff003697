#!/usr/bin/env bash
# A bulk job as a script would run it: many rows in, one row out for each, and what to do about rows
# that failed. Without arguments it makes 1,024 rows out of samples/prompts.jsonl.
#
# Usage: samples/bulk_job.sh [MODEL [INPUT.jsonl [OUTPUT.jsonl [further flags of eet generate]]]]
# EET names the program (default: build/app/eet, which samples/quickstart.sh builds; else eet).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=${EET:-$root/build/app/eet}
[[ -x $eet ]] || eet=eet
model=${1:-$root/samples/models/tales-llama}
input=${2:-}
output=${3:-bulk_completions.jsonl}
shift $(($# < 3 ? $# : 3))

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ -z $input ]]; then
  input=$scratch/prompts.jsonl
  for ((copy = 1; copy <= 32; ++copy)); do
    sed "s/\"id\": \"/&$copy-/" "$root/samples/prompts.jsonl"
  done >"$input"
fi

code=0
"$eet" generate -m "$model" -i "$input" -o "$output" --stats "$output.stats.json" \
  --max-tokens 64 --temperature 0.7 --seed 1 "$@" || code=$?

case $code in
  0) echo "$output: every row is complete" ;;
  3)
    echo "$output: these rows failed, the others are complete:"
    grep '"finish_reason":"error"' "$output" | head -n 20
    ;;
  *) echo "the job did not finish" >&2 ;;
esac
exit "$code"
