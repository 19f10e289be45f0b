# Makes .venv and installs requirement files into it; read by script/run and script/test, which set $root.
# Where packages come from is pip's own configuration; nothing here names an index.
venv="$root/.venv"

is_python() { # the command runs, and is Python 3.11 or newer with the venv module
    "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3 python; do
        if is_python "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    echo "Signalbox needs Python 3.11 or newer with its venv module, and none was found; install one or set PYTHON to it." >&2
    exit 2
}

has_pip() { # found, not run: that takes longer than all else here, and a pip that is broken says so when it installs
    "$venv/bin/python" -c 'import importlib.util as of, sys; sys.exit(of.find_spec("pip._internal.cli.main") is None)' >/dev/null 2>&1
}

make_venv() { # an environment that is too old, moved or broken is made anew
    if is_python "$venv/bin/python" && has_pip; then
        return
    fi
    python=$(find_python)
    echo "Making .venv with $("$python" --version)." >&2
    if ! "$python" -m venv --clear "$venv"; then
        echo "$python cannot make $venv; on Debian and Ubuntu the package python3-venv is missing then." >&2
        exit 2
    fi
}

digest() { # of the interpreter and of the files
    "$venv/bin/python" -c 'import hashlib, sys; print(hashlib.sha256(sys.version.encode() + b"".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest())' "$@"
}

install() { # the named requirement files of $root, unless they are what was installed last
    stamp="$venv/installed-$(printf '%s' "$*" | tr -c 'a-z0-9\n' '-')"
    now=$(cd "$root" && digest "$@")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
        return
    fi
    echo "Installing $*." >&2
    rm -f "$stamp"
    files=
    for file in "$@"; do files="$files -r $file"; done
    # shellcheck disable=SC2086 # our own file names, without spaces
    if ! (cd "$root" && "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes $files); then
        echo "The packages of $* could not be installed; pip's words above say why." >&2
        exit 2
    fi
    printf '%s\n' "$now" >"$stamp"
}
