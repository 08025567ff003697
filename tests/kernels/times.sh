#!/usr/bin/env bash
# The times of the kernels on this machine's GPU against ceilings measured in the same run: what
# kernels/TIMES.txt holds for an H200.
#
# Usage: tests/kernels/times.sh [BUILD] >kernels/TIMES.txt
# BUILD is the build folder (default: build).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
echo
echo "Row-wise kernels and matrix products (shapes are rows x out x in): kernel_bench"
"$build/tests/kernels/kernel_bench"
echo
echo "Attention: attention_bench"
"$build/tests/kernels/attention_bench"
echo
echo "Mixtures of experts: experts_bench"
"$build/tests/kernels/experts_bench"
