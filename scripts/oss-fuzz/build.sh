#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz asks for: sources are in $SRC, results go to $OUT, temporary files
# to $WORK. Cranelift is the pinned release, or the Wasmtime checkout that $CLIF_FUZZ_CRANELIFT names.

checkout=${CLIF_FUZZ_CHECKOUT:-$SRC/clif-fuzz}
python=${CLIF_FUZZ_PYTHON:-python3}

# Rust's version is checked below, when there is something to build.
"$python" -c '
import sys
if not (3, 11) <= sys.version_info < (3, 14):
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"build.sh: needs Python 3.11 to 3.13, as there is no atheris for another one (found {found})")
'

# The flags are for sanitizers of C and C++; Cranelift is built with counters of its own.
unset CFLAGS CXXFLAGS RUSTFLAGS LDFLAGS

environment=$("$python" -I "$checkout/scripts/environment" setup \
    --cranelift "${CLIF_FUZZ_CRANELIFT-}" --assertions "${CLIF_FUZZ_ASSERTIONS-on}")

cd "$checkout"
"$environment/bin/python" -m PyInstaller --noconfirm --log-level WARN \
    --distpath "$OUT" --workpath "$WORK/pyinstaller" scripts/oss-fuzz/targets.spec
"$environment/bin/python" scripts/oss-fuzz/files "$OUT"
