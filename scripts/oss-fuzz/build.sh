#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz asks for: sources are in $SRC, results go to $OUT, temporary files
# to $WORK. Cranelift is the pinned release, or the Wasmtime checkout that $CLIF_FUZZ_CRANELIFT names.

checkout=${CLIF_FUZZ_CHECKOUT:-$SRC/clif-fuzz}
python=${CLIF_FUZZ_PYTHON:-python3}

# The flags are for sanitizers of C and C++; Cranelift is built with counters of its own.
unset CFLAGS CXXFLAGS RUSTFLAGS LDFLAGS

environment=$("$python" -I "$checkout/scripts/environment" setup \
    --cranelift "${CLIF_FUZZ_CRANELIFT-}" --assertions "${CLIF_FUZZ_ASSERTIONS-on}")

cd "$checkout"
"$environment/bin/python" -m PyInstaller --noconfirm --log-level WARN \
    --distpath "$OUT" --workpath "$WORK/pyinstaller" scripts/oss-fuzz/targets.spec
"$environment/bin/python" scripts/oss-fuzz/files "$OUT"
