#!/usr/bin/env bash
# From a fresh clone to completions: installs the packages that are missing, builds the program, and
# runs it on samples/prompts.jsonl with the fairy-tale model in this repository.
# Environment: EET_CUDA=AUTO|ON|OFF (default AUTO: with CUDA where its compiler is found)
set -euo pipefail
cd "$(dirname "$0")/.."

samples/install_packages.sh
cmake -S . -B build -G Ninja -DEET_CUDA="${EET_CUDA:-AUTO}" -DEET_TESTS=OFF
cmake --build build

echo
build/app/eet generate -m samples/models/tales-llama -i samples/prompts.jsonl -o - \
  --max-tokens 64 --temperature 0.7 --seed 1
