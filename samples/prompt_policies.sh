#!/usr/bin/env bash
# The same job under the four prompt policies: what each costs in time and in padding, side by side.
#   packed      all prompts at once, real tokens only
#   padded      left-padded to the longest, all at once
#   min-length  up to the shortest prompt at once, the rest token by token
#   serial      token by token
#
# Usage: samples/prompt_policies.sh [MODEL [INPUT.jsonl [further flags of eet generate]]]
# EET names the program (default: build/app/eet, which samples/quickstart.sh builds; else eet).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=${EET:-$root/build/app/eet}
[[ -x $eet ]] || eet=eet
model=${1:-$root/samples/models/tales-llama}
input=${2:-$root/samples/prompts.jsonl}
shift $(($# < 2 ? $# : 2))

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# stat FILE SECTION KEY: one number of the --stats report, which has one key a line.
stat() {
  awk -v section="\"$2\":" -v key="\"$3\":" \
    '$1 == section { inside = 1 } inside && $1 == key { sub(",", "", $2); print $2; exit }' "$1"
}

printf '%-10s %10s %10s %10s %14s %14s %8s\n' \
  policy prefill_s decode_s job_s output_tok/s pads_computed tokens
for policy in packed padded min-length serial; do
  stats=$scratch/$policy.json
  "$eet" generate -q -m "$model" -i "$input" -o "$scratch/$policy.jsonl" --stats "$stats" \
    --prompt-policy "$policy" --max-tokens 64 --seed 1 --output-token-ids "$@"
  same=same
  cmp -s "$scratch/packed.jsonl" "$scratch/$policy.jsonl" || same=differ
  printf '%-10s %10.3f %10.3f %10.3f %14.1f %14d %8s\n' "$policy" \
    "$(stat "$stats" seconds prefill)" "$(stat "$stats" seconds decode)" \
    "$(stat "$stats" seconds job)" "$(stat "$stats" tokens_per_second output)" \
    "$(stat "$stats" padding computed)" "$same"
done
