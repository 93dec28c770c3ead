#!/usr/bin/env bash
# Run the tests; arguments go to pytest.
set -euo pipefail

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    cat <<'HELP'
usage: ./scripts/test.sh [PYTEST ARGUMENTS]

Makes the environment .venv when there is none, checks style and types, and runs the tests.
Tests marked `data` use the real sets when TEXT2SQL_DATA_MIRROR names their folder, and are skipped otherwise.
Tests of PostgreSQL and of the web page need the Debian packages postgresql and chromium; they are installed when
this runs as root and apt-get has them, and the tests are skipped, with the reason, where they are missing.

  ./scripts/test.sh                      everything
  ./scripts/test.sh tests/test_model.py  one file
  ./scripts/test.sh -m "not slow"        the quick ones
HELP
    exit 0
fi

source "$(dirname "$0")/environment.sh"
ensure_environment dev

# ensure_package PACKAGE FILE...: apt-get install PACKAGE when none of the FILEs, which it brings, is there.
ensure_package() {
    local package="$1" file
    shift
    for file in "$@"; do
        [ -e "$file" ] && return
    done
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "installing $package for its tests"
        apt-get install -y -qq "$package" >/dev/null 2>&1 ||
            { apt-get update -qq && apt-get install -y -qq "$package"; } >/dev/null 2>&1 ||
            echo "$package cannot be installed; its tests will be skipped" >&2
    fi
}
if [ $# -eq 0 ]; then
    ensure_package postgresql /usr/lib/postgresql/*/bin/initdb
    ensure_package chromium /usr/bin/chromium
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    set -- -n "${TEST_PROCESSES:-2}"
fi
# One thread per process: the tests' models are tiny, and two processes already use the cores.
OMP_NUM_THREADS=1 exec .venv/bin/python -m pytest "$@"
