#!/usr/bin/env bash
# Runs samples/slurm_array.sh on a Slurm cluster of two nodes, both on this machine and gone when the
# test ends: three shards, one of them queued again while it runs, must give the bytes of one run.
# Exits with 77 (skipped) where Slurm or munge is not installed.
#
# Usage: tests/slurm_test.sh EET
set -euo pipefail
eet=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
for program in munged mungekey slurmctld slurmd sbatch; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null ||
    { echo "skipped: no $program here (Debian: slurm-wlm)"; exit 77; }
done
export PATH=$PATH:/usr/sbin

scratch=$(mktemp -d)
pids=()
clean_up() {
  ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$scratch"
}
trap clean_up EXIT

# Starts a daemon in the foreground of a job of this shell.
start() {
  "$@" >"$scratch/$(basename "$1").$((${#pids[@]})).log" 2>&1 &
  pids+=($!)
}

# until_true SECONDS COMMAND...
until_true() {
  local tries=$((10 * $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    ((tries-- > 0)) || { echo "waited in vain for: $*" >&2; tail -n 5 "$scratch"/*.log >&2; exit 1; }
    sleep 0.1
  done
}

start_cluster() {
  local user host port
  user=$(id -un)
  host=$(hostname)
  port=$((20000 + RANDOM % 20000))
  mkdir "$scratch"/{state,node0,node1}
  mungekey --create --keyfile="$scratch/munge.key"
  start munged --foreground --force --key-file="$scratch/munge.key" --socket="$scratch/munge.socket" \
    --pid-file="$scratch/munged.pid" --log-file="$scratch/munged.log" --seed-file="$scratch/munge.seed"
  cat >"$scratch/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$scratch/munge.socket
CredType=cred/munge
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0
MessageTimeout=30
ReturnToService=2
NodeName=node0 NodeHostname=$host Port=$((port + 1)) CPUs=1
NodeName=node1 NodeHostname=$host Port=$((port + 2)) CPUs=1
PartitionName=test Nodes=node0,node1 Default=YES MaxTime=10
CONF
  export SLURM_CONF=$scratch/slurm.conf
  until_true 10 test -S "$scratch/munge.socket"
  start slurmctld -D -f "$SLURM_CONF"
  start slurmd -D -f "$SLURM_CONF" -N node0
  start slurmd -D -f "$SLURM_CONF" -N node1
  until_true 30 both_idle
}

both_idle() {
  [[ $(sinfo --noheader --Node --format=%T | grep -c '^idle$') == 2 ]]
}

start_cluster
for ((copy = 1; copy <= 12; ++copy)); do
  sed "s/\"id\": \"/&$copy-/" "$root/samples/prompts.jsonl"
done >"$scratch/in.jsonl"
model=$root/samples/models/tales-llama
flags=(--max-tokens 48 --seed 3 --threads 1 --device cpu)

EET=$eet "$root/samples/slurm_array.sh" 3 "$model" "$scratch/in.jsonl" "$scratch/out.jsonl" "${flags[@]}"
parts=$scratch/out.jsonl.shards
until_true 60 test -s "$parts/0.jsonl.zst.eet-journal"
array=$(squeue --noheader --format=%F | head -n 1)
scontrol requeue "${array}_0"
until_true 180 test -e "$scratch/out.jsonl"

"$eet" generate -q -m "$model" -i "$scratch/in.jsonl" -o "$scratch/one.jsonl" "${flags[@]}"
cmp "$scratch/one.jsonl" "$scratch/out.jsonl"
echo "three shards on two nodes, merged: $(wc -l <"$scratch/out.jsonl") rows, the bytes of one run"
