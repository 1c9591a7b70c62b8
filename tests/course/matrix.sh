#!/bin/bash
# Grades production's own code, hidden cases too, in all assignments, by two compilers, with and without sanitizers.
#   tests/course/matrix.sh                          all four kits, one after another: hours
#   tests/course/matrix.sh [--selftest] KIT...      KIT: gcc, clang, gcc-sanitized, clang-sanitized
#   --selftest                                      the starter and every known mistake as well
# Builds are in build/course-KIT; a second run compiles only what changed. Prints a line for each assignment and kit:
# points and seconds by the clock. Exit code: 0 when all are full marks.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tools/packages.sh"

selftest=0
kits=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --selftest) selftest=1 ;;
    gcc|clang|gcc-sanitized|clang-sanitized) kits+=("$1") ;;
    *) die 2 "unknown kit $1; see tests/course/matrix.sh --help" ;;
  esac
  shift
done
[ ${#kits[@]} -gt 0 ] || kits=(gcc clang gcc-sanitized clang-sanitized)

need_packages build clang
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
code=0
for kit in "${kits[@]}"; do
  build=$root/build/course-$kit
  options=(-DGADOLIN_TESTS=OFF -DGADOLIN_CUDA=SOFTWARE)
  case "$kit" in
    clang*) options+=(-DCMAKE_CXX_COMPILER=clang++-14) ;;
    *) options+=(-DCMAKE_CXX_COMPILER=g++) ;;
  esac
  case "$kit" in  # the words of tools/test.sh and of course/setup.sh: a compiler cache has seen most of it
    *-sanitized)
      options+=("-DGADOLIN_SANITIZE=address;undefined" -DGADOLIN_COURSE_SANITIZED=ON
                "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -g1 -DNDEBUG") ;;
    *) options+=(-DGADOLIN_NATIVE=OFF "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG") ;;
  esac
  say "building in build/course-$kit"
  configure "$build" "${options[@]}" > "$scratch/configure.log" || { cat "$scratch/configure.log"; exit 1; }
  cmake --build "$build" -j "$(build_jobs)" --target gadolin_grade >&2
  grader=$build/course/gadolin-grade
  # The grader itself is sanitized too; memory closed to the device made of software is no leak.
  export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 OMP_WAIT_POLICY=passive
  (umask 077; "$grader" secret > "$scratch/secret")
  for number in 1 2 3 4 5 6 7; do
    { time "$grader" "$number" --reference --student matrix --secret "$scratch/secret" > "$scratch/said"; } 2> "$scratch/time" ||
      { code=1; cat "$scratch/said" "$scratch/time"; }
    seconds=$(awk '/^real/ { split($2, t, /[ms]/); printf "%.0f", 60 * t[1] + t[2] }' "$scratch/time")
    echo "$kit, assignment $number: $(grep -E '^[0-9.]+ of [0-9.]+ points' "$scratch/said" || echo no result), $seconds s"
    [ $selftest = 0 ] || "$grader" selftest "$number" | tee "$scratch/said" || code=1
  done
done
exit $code
