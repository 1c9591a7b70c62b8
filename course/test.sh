#!/bin/bash
# Runs the framework's own tests on your code: the suites that cut.toml names for an assignment, linked over your objects.
#   course/test.sh N [GOOGLETEST OPTIONS]       N is 1 to 7, e.g. course/test.sh 1 --gtest_filter='matmul*'
# The first time it compiles the suites, which takes some minutes. They run in your own processes, without a sandbox, one
# for each suite: what ends one, such as a part that is not written yet, leaves the others. Exit code: 0 when all pass.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
case "${1:-}" in
  [1-7]) number=$1; shift ;;
  --help|-h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die 2 "which assignment? course/test.sh N, with N from 1 to 7" ;;
esac
build=${GADOLIN_COURSE_BUILD:-$root/build/course}
grader=$build/course/gadolin-grade
[ -x "$grader" ] || die 2 "build/course is not there; run course/setup.sh once"
[ -d "$root/course/$number/work" ] || die 2 "course/$number/work is not there; run course/build.sh $number once"
if ! grep -q '^GADOLIN_TESTS:BOOL=ON' "$build/CMakeCache.txt"; then
  need_packages tests
  cmake -S "$root" -B "$build" -DGADOLIN_TESTS=ON > /dev/null
fi
# Only assignment 4 writes kernels; elsewhere a student's file holds the CPU's half of an op.
[ "$number" = 4 ] || export GADOLIN_SOFTWARE_DEVICES=0
export OMP_WAIT_POLICY=passive
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
suites=$("$grader" suites "$number")
passed=0
failed=0
while read -r -u 3 program filter; do
  say "compiling $program"
  cmake --build "$build" -j "$(build_jobs)" --target "$program" > "$scratch/said" || { cat "$scratch/said"; exit 1; }
  mine=$("$grader" build "$number" --program "$program")
  # A line for each suite: its name and its cases, as a filter.
  "$mine" --gtest_list_tests --gtest_filter="$filter" "$@" > "$scratch/said" || { cat "$scratch/said"; exit 1; }
  awk '/^[^ ]+\.( |$)/ { suite = $1 }
    /^  / { cases[suite] = cases[suite] (suite in cases ? ":" : "") suite $1 }
    END { for (suite in cases) print suite, cases[suite] }' "$scratch/said" | sort > "$scratch/suites"
  while read -r -u 4 suite cases; do
    if "$mine" --gtest_brief=1 "$@" --gtest_filter="$cases" > "$scratch/said" 2>&1; then
      passed=$((passed + 1))
      echo "passed  $program ${suite%.}: $(sed -n 's/^\[=*\] \([0-9]* tests\?\) from .* ran\. (\(.*\) total)/\1, \2/p' "$scratch/said")"
    else
      failed=$((failed + 1))
      echo "FAILED  $program ${suite%.}:"
      cat "$scratch/said"
    fi
  done 4< "$scratch/suites"
done 3<<< "$suites"
[ $((passed + failed)) -gt 0 ] || die 2 "no case has such a name"
say "$passed suites passed, $failed failed"
[ "$failed" = 0 ]
