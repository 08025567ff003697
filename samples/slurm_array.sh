#!/usr/bin/env bash
# One bulk job over many machines with Slurm: an array of shards, and a job that merges their
# outputs when all are done. A task that is preempted, loses its node or comes near its time limit
# is queued again and goes on where it was.
#
# Usage: samples/slurm_array.sh SHARDS MODEL INPUT OUTPUT [further flags of eet generate]
# The files must be on a file system that all nodes share. Flags for sbatch (--partition, --gres,
# --time and so on) are taken from SBATCH_FLAGS, the program from EET (default: build/app/eet,
# else eet on PATH).
# Progress and errors are in OUTPUT.shards/*.log.
set -euo pipefail

usage() {
  sed -n '6,9s/^# //p' "$0" >&2
  exit 2
}

# Queues the array and the merge, and says how to watch them.
submit() {
  (($# >= 4)) || usage
  local shards=$1 model=$2 input=$3 output=$4
  shift 4
  local root parts flags array merge
  root=$(cd "$(dirname "$0")/.." && pwd)
  export EET=${EET:-$root/build/app/eet}
  [[ -x $EET ]] || EET=eet
  parts=$output.shards
  mkdir "$parts" || { echo "$parts: of an earlier job: wait for that, or remove it" >&2; exit 1; }
  read -ra flags <<<"${SBATCH_FLAGS:-}"
  # One time for all chat templates that ask for it, whenever and wherever a task starts.
  set -- --start-time "$(date +%FT%T)" "$@"
  # A minute before the time limit the task is told to stop.
  array=$(sbatch --parsable --job-name=eet --array="0-$((shards - 1))" --requeue \
    --open-mode=append --signal=B:TERM@60 --output="$parts/%a.log" ${flags[@]+"${flags[@]}"} \
    "$0" --task "$model" "$input" "$parts" "$@")
  merge=$(sbatch --parsable --job-name=eet-merge --dependency="afterok:${array%%;*}" \
    --output="$parts/merge.log" ${flags[@]+"${flags[@]}"} "$0" --merge "$output")
  echo "queued array ${array%%;*} and merge ${merge%%;*}; squeue --me shows them"
}

# One shard. Its output appears when it is complete, so that one which is there is done.
run_task() {
  local model=$1 input=$2 parts=$3 code=0 told_to_stop=0
  shift 3
  local shard=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
  local part=$parts/$SLURM_ARRAY_TASK_ID.jsonl.zst
  [[ ! -e $part ]] || exit 0
  # In the background, since a shell acts on a signal only between its commands.
  "$EET" generate -m "$model" -i "$input" -o "$part" --shard "$shard" --resume "$@" &
  local eet=$!
  trap 'told_to_stop=1; kill -TERM "$eet"' TERM
  wait "$eet" || code=$?
  trap - TERM
  if ((told_to_stop)); then # the signal ended the wait and not yet the program
    code=0
    wait "$eet" || code=$?
  fi
  case $code in
    143) scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
    3) exit 0 ;; # complete; some rows have an error, which is in the output
  esac
  exit "$code"
}

run_merge() {
  local output=$1
  "$EET" merge -o "$output" "$output".shards/*.jsonl.zst
  rm -r "$output.shards"
}

case ${1:-} in
  --task) run_task "${@:2}" ;;
  --merge) run_merge "${@:2}" ;;
  *) submit "$@" ;;
esac
