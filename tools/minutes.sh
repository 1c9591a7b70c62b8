#!/bin/bash
# Where the minutes of tools/test.sh go: processor minutes of its builds by room, and of its tests, from what ninja and
# ctest wrote down in build/. Of a cold run on an idle machine; a compiler cache or another job falsifies them:
#   CCACHE_DISABLE=1 tools/test.sh; tools/minutes.sh
# A step takes one processor, so its duration counts; steps of several threads count for less than they use.
set -euo pipefail
build=$(cd "$(dirname "$0")/.." && pwd)/build
table() { sort -rn | awk -F'\t' '{ printf "  %6.1f min  %s\n", $1 / 60, $2; sum += $1 } END { printf "  %6.1f min  together\n", sum / 60 }'; }
for folder in "$build"/*/; do
  [ -f "$folder/.ninja_log" ] || continue
  echo "build/$(basename "$folder"), compiling and linking:"
  # The last entry of each file; its room, kernels (.cu) apart.
  awk -F'\t' 'NR > 1 { seconds[$4] = ($2 - $1) / 1000 }
    END { for (file in seconds) {
      room = "linking and the rest"
      if (file ~ /\.dir\//) { room = file; sub(/\.dir\/.*/, "", room); sub(/.*\//, "", room) }
      if (file ~ /\.cu\.o$/) room = room ", kernels"
      sum[room] += seconds[file]
    }
    for (room in sum) printf "%f\t%s\n", sum[room], room }' "$folder/.ninja_log" | table
done
log=$build/Testing/Temporary/LastTest.log
[ -f "$log" ] || { echo "no test has run in build/"; exit 0; }
echo "tests:"
awk '/^[0-9]+\/[0-9]+ Testing: / { name = $3 }
  /^Test time = / { kind = name ~ /^(asan|tsan|fuzz|device)\./ ? name : "plain, " (name ~ /\// ? substr(name, 1, index(name, "/") - 1) : substr(name, 1, index(name, ".") - 1))
                    sum[kind] += $4 }
  END { for (kind in sum) printf "%f\t%s\n", sum[kind], kind }' "$log" | sort -rn |
  awk -F'\t' 'NR <= 40 || $2 !~ /^plain/ { print; next } { rest += $1 } END { printf "%f\tplain, all other suites\n", rest }' | table
