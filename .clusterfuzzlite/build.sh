#!/bin/bash -eu
# ClusterFuzzLite looks for this file here.
exec "$SRC/clif-fuzz/scripts/oss-fuzz/build.sh"
