#!/usr/bin/env bash
# Fetch the data sets into data/raw; arguments go to `text2sql data download`.
set -euo pipefail

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    cat <<'HELP'
usage: ./scripts/download_data.sh [SET ...]

Makes the environment .venv when there is none, then fetches the sets into data/raw, each file checked by sha256.
Sets: wikisql, spider, spider_syn_train, other_text2sql, pretraining, or a part such as pretraining/fetaqa; all of
them (214 MB) where none is named. What is there already is not fetched again.

TEXT2SQL_DATA_MIRROR, a folder or an http address that holds the files, is tried first. Without it WikiSQL and Spider
come from their official archives; the other sets were put together from many sources and need the mirror.

  ./scripts/download_data.sh wikisql spider
  TEXT2SQL_DATA_MIRROR=/data/mirror ./scripts/download_data.sh
HELP
    exit 0
fi

source "$(dirname "$0")/environment.sh"
ensure_environment
exec .venv/bin/text2sql data download "$@"
