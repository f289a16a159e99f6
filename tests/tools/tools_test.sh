#!/usr/bin/env bash
# The checks find what they are for: each is shown a tree with one fault.
set -euo pipefail
tools=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# put FILE TEXT: a file of the tree.
put() {
  mkdir -p "$tree/$(dirname "$1")"
  printf '%b\n' "$2" >"$tree/$1"
}
# expect WHAT CHECK: the check must fail with a line that holds WHAT ("": it must pass).
expect() {
  local rc=0 said
  said=$("$tools/$2" "$tree" 2>&1) || rc=$?
  if [ -z "$1" ] && [ $rc -ne 0 ]; then
    echo "$2 complains without reason: $said"
    failed=1
  elif [ -n "$1" ] && { [ $rc -eq 0 ] || [[ $said != *"$1"* ]]; }; then
    echo "$2 does not say \"$1\" but: $said"
    failed=1
  fi
}

put src/main.c '#include "cmd/cmd.h"\nint main(void) { return 0; }'
put src/cmd/cmd.h '#include <stdio.h>'
put src/base/err.h ''
put src/base/table_impl.h ''
put src/data/frame.h '#include "base/err.h"'
put src/data/csv.c '#include "data/frame.h"\n// malloc(1) in words; "system(3)"'
put src/learn/family.h '#include "data/frame.h"'
put src/learn/families.c '#include "learn/forest/forest.h"\n#include "learn/linear/linear.h"'
put src/learn/forest/forest.h '#include "learn/family.h"'
put src/learn/linear/linear.h '#include "learn/family.h"'
put src/engine/plan_impl.h ''
put src/engine/ops/cast.c '#include "engine/plan_impl.h"'
put src/base/mem.c 'void *f(void) { return malloc(1); }'
expect "" includes
expect "" calls

put src/data/bad.c '#include "learn/family.h"'
expect "src/data/bad.c:1: data/ includes learn/, which is above it" includes
put src/data/bad.c '\n#include "base/table_impl.h"'
expect 'src/data/bad.c:2: "base/table_impl.h" belongs to base/ alone' includes
put src/data/bad.c '#include "frame.h"'
expect "is no file of src/" includes
put src/data/bad.c '#include "data/../base/err.h"'
expect "is no file of src/" includes
rm "$tree/src/data/bad.c"
put src/learn/forest/bad.c '#include "learn/linear/linear.h"'
expect "family forest includes family linear" includes
rm "$tree/src/learn/forest/bad.c"
put src/other/bad.c ''
expect "folder other is not in the order" includes
rm -r "$tree/src/other"

for call in 'strcpy(a, b)' 'x = sprintf (a, "%d", 1)' 'if (!malloc(3)) return' '(void)system("ls")' 'free(p)' 'n = atoi(s)'; do
  put src/data/bad.c "/* one\n two */ int x;\n$call;"
  expect "src/data/bad.c:3:" calls
done
put src/data/bad.c 'v->free(p); mem_free(p); /* free(p) */ char c = \x27"\x27; // system(1)\nx = "\\\\" "free(1)";'
expect "" calls

printf 'Label Time Summary:\nunit    =  61.00 sec*proc (3 tests)\nnew     =   1.00 sec*proc (1 test)\n\nTotal\n' >"$tree/log"
printf '# table\nunit 60\n' >"$tree/table"
said=$("$tools/budgets" "$tree/table" "$tree/log") && { echo "budgets lets 61 of 60 seconds pass"; failed=1; }
[[ $said == *"label unit took 61.0 s of its 60 s"* && $said == *"label new has none"* ]] || { echo "budgets: $said"; failed=1; }
printf 'unit 61\nnew 1\n' >"$tree/table"
"$tools/budgets" "$tree/table" "$tree/log" || { echo "budgets complains without reason"; failed=1; }

if [ -e /bin/ls ] && "$tools/needed" /bin/ls >/dev/null; then echo "needed lets libselinux pass"; failed=1; fi
exit $failed
