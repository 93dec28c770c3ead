#!/usr/bin/env bash
# Serve the web page and the API that ask a database; arguments go to `text2sql serve`.
set -euo pipefail

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    cat <<'HELP'
usage: ./scripts/serve.sh [--db URL] [--port N] [--host ADDRESS] [--checkpoint DIR] [--token SECRET] [more options]

Makes the environment .venv when there is none, then serves a web page, a JSON API, and an OpenAI-compatible API on
http://127.0.0.1:8000/ until Ctrl-C. Without arguments it serves an example database with the shipped model.
`.venv/bin/text2sql serve --help` lists every option.

  ./scripts/serve.sh
  ./scripts/serve.sh --db examples/clinic.sqlite --port 9000
  ./scripts/serve.sh --db postgresql://reader@localhost/shop --host 0.0.0.0
HELP
    exit 0
fi

source "$(dirname "$0")/environment.sh"
ensure_environment db serve
if [ $# -eq 0 ]; then
    set -- --db examples/music_shop.sqlite
fi
exec .venv/bin/text2sql serve "$@"
