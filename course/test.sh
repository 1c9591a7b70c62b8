#!/bin/bash
# Runs the framework's own tests on your code: the suites that cut.toml names for an assignment, linked over your objects.
#   course/test.sh N [GOOGLETEST OPTIONS]       N is 1 or 2; the cases of the others are the grader's alone
# The first time it compiles the suites, which takes some minutes. They run in your own process, without a sandbox.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
case "${1:-}" in
  [1-7]) number=$1; shift ;;
  --help|-h) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die 2 "which assignment? course/test.sh N, with N from 1 to 7" ;;
esac
build=${GADOLIN_COURSE_BUILD:-$root/build/course}
grader=$build/course/gadolin-grade
[ -x "$grader" ] || die 2 "build/course is not there; run course/setup.sh once"
if ! grep -q '^GADOLIN_TESTS:BOOL=ON' "$build/CMakeCache.txt"; then
  need_packages tests
  cmake -S "$root" -B "$build" -DGADOLIN_TESTS=ON > /dev/null
fi
# Only assignment 4 writes kernels; elsewhere a student's file holds the CPU's half of an op.
[ "$number" = 4 ] || export GADOLIN_SOFTWARE_DEVICES=0
suites=$("$grader" suites "$number")
[ -n "$suites" ] || die 2 "the framework's suites are for assignments 1 and 2; gadolin-grade $number asks every case of this one"
code=0
while read -r program filter; do
  cmake --build "$build" -j "$(build_jobs)" --target "$program" > /dev/null
  mine=$("$grader" build "$number" --program "$program")
  say "$program $filter"
  OMP_WAIT_POLICY=passive "$mine" --gtest_brief=1 "--gtest_filter=$filter" "$@" || code=1
done <<< "$suites"
exit $code
