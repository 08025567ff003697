#!/usr/bin/env bash
# How fast decoding is with heads of 64 to 256 elements, at nearly equal bytes of keys and values: 3840
# elements a token of each, or 960 with four query heads to a key head. What counts is the share of
# the limit, which is computed from the bytes of each shape.
#
# Usage: tests/bench/head_sizes.sh [flags of eet bench, e.g. -b 64 -d 2048 -r 3]
# EET names the program (default: build/app/eet).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
eet=${EET:-$root/build/app/eet}
shapes=$(mktemp -d)
trap 'rm -rf "$shapes"' EXIT

# shape NAME HEAD_DIM KEY_HEADS GROUP
shape() {
  mkdir "$shapes/$1"
  cat >"$shapes/$1/config.json" <<JSON
{"model_type": "llama", "hidden_size": 2048, "intermediate_size": 4096, "num_hidden_layers": 4,
 "num_attention_heads": $(($3 * $4)), "num_key_value_heads": $3, "head_dim": $2, "vocab_size": 32000,
 "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
 "tie_word_embeddings": false}
JSON
}
for pair in 64x60 80x48 96x40 112x34 128x30 160x24 256x15; do
  shape "mha-head$pair" "${pair%x*}" "${pair#*x}" 1
done
for pair in 64x15 80x12 96x10 112x9 128x8 160x6 256x4; do
  shape "gqa4-head$pair" "${pair%x*}" "${pair#*x}" 4
done
[[ $# -gt 0 ]] || set -- -d 2048 -b 64 -r 3
configs=$(printf '%s,' "$shapes"/*)
"$eet" bench --config "${configs%,}" --random-weights -p 0 -n 32 "$@"
