#!/usr/bin/env bash
# Installs what is missing, builds everything and runs every test. Tests that need a GPU skip
# themselves where there is none.
#
# Usage: tests/run.sh [further cmake arguments, e.g. -DCMAKE_CUDA_ARCHITECTURES=90a-real]
# Environment: EET_CUDA=AUTO|ON|OFF (default AUTO), BUILD_DIR (default build-test)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build-test}

samples/install_packages.sh doctest-dev
cmake -S . -B "$build" -G Ninja -DEET_CUDA="${EET_CUDA:-AUTO}" -DEET_TESTS=ON "$@"
cmake --build "$build"
# A test may take most of a GPU's memory: where there is one, they take turns.
jobs=$(nproc)
nvidia-smi -L >/dev/null 2>&1 && jobs=1
ctest --test-dir "$build" -j "$jobs" --output-on-failure
