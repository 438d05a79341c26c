#!/bin/bash -eu
# Builds the fuzz targets after OSS-Fuzz's contract: sources in $SRC, results in $OUT, room for
# temporary files in $WORK. Cranelift is the pinned release, or the Wasmtime working tree that
# $CLIF_FUZZ_CRANELIFT names.

checkout=${CLIF_FUZZ_CHECKOUT:-$SRC/clif-fuzz}
python=${CLIF_FUZZ_PYTHON:-python3}

# Sanitizers belong to C and C++; Cranelift has counters of its own.
unset CFLAGS CXXFLAGS RUSTFLAGS LDFLAGS

environment=$("$python" -I "$checkout/scripts/environment" setup \
    --cranelift "${CLIF_FUZZ_CRANELIFT-}" --assertions "${CLIF_FUZZ_ASSERTIONS-on}")

cd "$checkout"
"$environment/bin/python" -m PyInstaller --noconfirm --log-level WARN \
    --distpath "$OUT" --workpath "$WORK/pyinstaller" scripts/oss-fuzz/targets.spec
"$environment/bin/python" scripts/oss-fuzz/files "$OUT"
