#!/usr/bin/env bash
# Converts a checkpoint into a directory that loads without transformation, looks into it, and shows
# that it gives the same completions.
#
# Usage: samples/convert.sh [SOURCE [DESTINATION]]
# EET names the program (default: build/app/eet, which samples/quickstart.sh builds; else eet).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=${EET:-$root/build/app/eet}
[[ -x $eet ]] || eet=eet
source=${1:-$root/samples/models/tales-llama}
destination=${2:-$(basename "$source").eet}

"$eet" convert "$source" "$destination" --force
"$eet" inspect "$destination"

complete() {
  "$eet" generate -q -m "$1" -i "$root/samples/prompts.jsonl" -o - --max-tokens 32 --seed 1
}
if cmp <(complete "$source") <(complete "$destination"); then
  echo "$source and $destination give the same completions"
else
  echo "$source and $destination give different completions" >&2
  exit 1
fi
