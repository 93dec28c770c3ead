# Sourced by the other scripts: defines ensure_environment, which makes .venv when there is none.
# Nothing is installed when the pinned requirements are the ones already installed.

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$repository" || exit 1

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "text2sql needs Python 3.11 or newer; install it, or name it: PYTHON=/path/to/python3.12 $0" >&2
    return 2
}

# ensure_environment [extra...]: .venv with the package and the named extras of pyproject.toml.
ensure_environment() {
    local extras python wanted
    extras="$(IFS=,; echo "$*")"
    wanted="$(cat requirements.txt pyproject.toml | cksum) "
    if [ ! -x .venv/bin/python ]; then
        python="$(find_python)" || exit 2
        echo "making the environment .venv (once; a few minutes)"
        "$python" -m venv .venv || exit 1
    fi
    local extra stamp
    for extra in core "$@"; do
        stamp=".venv/installed-$extra"
        if [ ! -x .venv/bin/text2sql ] || [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
            echo "installing requirements${extras:+ with extras $extras}"
            .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt || exit 1
            .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".${extras:+[$extras]}" || exit 1
            for stamp in core "$@"; do echo "$wanted" >".venv/installed-$stamp"; done
            break
        fi
    done
}
