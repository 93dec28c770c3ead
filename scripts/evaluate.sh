#!/usr/bin/env bash
# Evaluate a checkpoint on a set with gold SQL.
set -euo pipefail

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    cat <<'HELP'
usage: ./scripts/evaluate.sh [--checkpoint DIR] [--dataset wikisql|spider|examples|FILE] [--split S] [more options]

Makes the environment .venv when there is none and evaluates. Without arguments: the shipped model on the development
sets of Spider and WikiSQL, where they were downloaded, else on the held-out splits of the embedded examples.
`.venv/bin/text2sql evaluate --help` lists every option.

  ./scripts/evaluate.sh
  ./scripts/evaluate.sh --checkpoint outputs/checkpoints/wikisql --dataset wikisql --split dev --limit 500
HELP
    exit 0
fi

source "$(dirname "$0")/environment.sh"
ensure_environment
exec .venv/bin/text2sql evaluate "$@"
