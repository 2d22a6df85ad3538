#!/bin/bash
# A run as an array of independent shards on a folder that all nodes see: sbatch docs/cluster/slurm_array.sh
# Nothing has to run at the same time, and tasks may be submitted again: what is finished is kept.
# Some tasks again: sbatch --array=3,5 --export=ALL,SHARD=slurm/8 docs/cluster/slurm_array.sh
#SBATCH --job-name=nova_eval
#SBATCH --array=0-7
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
: "${RESULTS:=results}" "${BENCHMARK:=vbench}" "${SHARD:=slurm}"

# Exit code 3 says that other shards still have work to do, too: look at `nova-eval status RUN`.
exec srun python -m nova_eval run "$BENCHMARK" --profile paper --shard "$SHARD" --results "$RESULTS"
