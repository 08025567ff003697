#!/usr/bin/env bash
# The EET paper's chart: how much faster whole requests of a fixed total length (1024 tokens) are than
# with prompts fed token by token, for contexts from 1 to 960 and batch 4, under the other three
# prompt policies; with the bound from counting steps, and the paper's own figures. Writes
# PREFIX.csv and, where gnuplot is installed (package gnuplot-nox), one picture for each model:
# PREFIX-MODEL.png.
#
# Usage: samples/context_sweep.sh [PREFIX [flags of eet bench, e.g. --config SHAPE -r 3]]
# Without flags: the paper's shape (hidden 1024, 24 layers), GPT-2 124M and GPT-2 XL.
# EET names the program (default: build/app/eet, which samples/quickstart.sh builds; else eet).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
eet=${EET:-$root/build/app/eet}
[[ -x $eet ]] || eet=eet
prefix=${1:-context_sweep}
shift $(($# < 1 ? $# : 1))

"$eet" bench --sweep-context -o csv "$@" >"$prefix.csv"
echo "wrote $prefix.csv"

if ! command -v gnuplot >/dev/null; then
  echo "no gnuplot here: no pictures" >&2
  exit 0
fi

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
tail -n +2 "$prefix.csv" | cut -d, -f1 | sort -u | while read -r model; do
  { head -n 1 "$prefix.csv"; grep "^$model," "$prefix.csv"; } >"$rows"
  gnuplot <<GNUPLOT
set datafile separator ","
set terminal pngcairo size 900,600
set output "$prefix-$model.png"
set title "$model: speed-up over feeding prompts token by token"
set xlabel "context tokens"
set ylabel "times faster"
set logscale y 2
set grid
set key top left
plot "$rows" using "context":"packed_bound" with lines dashtype 2 title "bound from step counts", \
  "" using "context":"packed_speedup" with linespoints title "packed", \
  "" using "context":"padded_speedup" with linespoints title "padded", \
  "" using "context":"min-length_speedup" with linespoints title "min-length", \
  "" using "context":"paper_speedup" with points title "EET over Faster Transformer 3.1 (paper)"
GNUPLOT
  echo "wrote $prefix-$model.png"
done
