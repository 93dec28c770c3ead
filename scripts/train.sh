#!/usr/bin/env bash
# Train a text-to-SQL GPT from nothing: environment, tokenizer, pretraining, instruction tuning, evaluation.
set -euo pipefail

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    cat <<'HELP'
usage: ./scripts/train.sh [CONFIG] [--set section.key=value ...]

Makes the environment .venv when there is none, then runs the whole job of CONFIG (default: configs/quickstart.yaml,
about five minutes on two CPU cores): trains the BPE, pretrains, instruction-tunes, evaluates, saves a checkpoint
under outputs/checkpoints/ and asks three questions. An interrupted run goes on where it stopped.

  ./scripts/train.sh                                  the quickstart on the embedded example databases
  ./scripts/train.sh configs/wikisql.yaml             the real WikiSQL (after ./scripts/download_data.sh wikisql pretraining)
  ./scripts/train.sh configs/spider.yaml --set finetuning.steps=500
  NPROC=4 ./scripts/train.sh configs/spider.yaml      four processes under torchrun
HELP
    exit 0
fi

source "$(dirname "$0")/environment.sh"
ensure_environment
config="configs/quickstart.yaml"
if [ $# -gt 0 ] && [[ "$1" != -* ]]; then
    config="$1"
    shift
fi
if [ "${NPROC:-1}" -gt 1 ]; then
    exec .venv/bin/torchrun --standalone --nproc_per_node="$NPROC" -m text2sql.cli train "$config" "$@"
fi
exec .venv/bin/text2sql train "$config" "$@"
