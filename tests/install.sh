#!/usr/bin/env bash
# Installs a built eet into an empty folder, and as a wheel into a virtual environment, and uses what
# is there.
#
# Usage: tests/install.sh BUILD
set -euo pipefail
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/usr" >/dev/null
share=$scratch/usr/share
for file in man/man1/eet.1 man/man1/eet-generate.1 bash-completion/completions/eet \
            fish/vendor_completions.d/eet.fish zsh/site-functions/_eet doc/eet/LICENSE; do
  [[ -s $share/$file ]] || { echo "missing: share/$file"; exit 1; }
done
bash -n "$share/bash-completion/completions/eet"

# A sample script finds the program in PATH where there is no build beside it.
cd "$scratch"
PATH=$scratch/usr/bin:$PATH "$share/eet/samples/prompt_policies.sh" \
  "$share/eet/samples/models/tales-llama" "$share/eet/samples/prompts.jsonl" --device cpu |
  grep -q '^serial .* same$'

python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "no venv of Python: no wheel tested"; exit 0; }
wheel=$("$source/app/packaging/make_wheel.py" "$build" "$scratch/dist")
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --no-index "$wheel"
"$scratch/venv/bin/eet" --version
"$scratch/venv/bin/eet" tokenize -m "$source/samples/models/tales-llama" <<<"Once upon a time" |
  grep -q '^[0-9 ]*$'
! ldd "$scratch/venv/bin/eet" | grep 'not found'
