#!/bin/bash
# One run on all nodes of a job, through Ray: sbatch docs/cluster/slurm_ray.sh
# Only the first node writes, so RESULTS may be a disk of its own. The same command goes on after any end.
#SBATCH --job-name=nova_eval
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
set -euo pipefail
: "${RESULTS:=results}" "${BENCHMARK:=vbench}" "${PORT:=6379}"
export RAY_USAGE_STATS_ENABLED=0

nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')

# Whoever reaches these ports can run programs here: keep them inside of the cluster, and give all nodes one token.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')

srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    ray start --head --node-ip-address="$address" --port="$PORT" --include-dashboard=false --block &
sleep 15
if [ "${#nodes[@]}" -gt 1 ]; then
    srun --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --exclude="$head" --overlap \
        ray start --address="$address:$PORT" --block &
fi

# Nodes that come up later take part as soon as they are there.
srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    python -m nova_eval run "$BENCHMARK" --profile paper --engine ray --address "$address:$PORT" --results "$RESULTS"
