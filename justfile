# Shorthands: `just fuzz --seconds 60`. Each recipe sets up what it needs.

default:
    @just --list

# make, compile, run and compare cases
fuzz *args:
    scripts/fuzz {{ args }}

# all tests; with arguments, pytest with these alone
test *args:
    scripts/test {{ args }}

# put the sources into their canonical form
format:
    .venv/bin/ruff check --fix-only
    .venv/bin/ruff format
    cargo fmt --manifest-path backend/Cargo.toml

# compile throughput of the environment's extension
compile-throughput *args:
    .venv/bin/python -m scripts.benchmarks.compile_throughput {{ args }}

# all that must pass before a change lands, the test of Ray and builds of other Cranelifts included
ci:
    .ci/run
