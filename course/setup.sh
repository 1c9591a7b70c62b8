#!/bin/bash
# Builds what the course needs, once: the framework as libraries with the CUDA device made of software, the
# grader, and the gadolin program, which makes data sets.
#   course/setup.sh            in build/course; links bin/gadolin-grade and bin/gadolin
#   course/setup.sh --check    builds nothing: says whether bin/gadolin-grade is there and starts
# Needs a Debian or Ubuntu with g++ 12 or newer, about 4 GB of memory; no GPU, no Python, no account. Installs what is
# missing of the distribution's packages, saying so first. A second run builds only what changed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

check=0
case "${1:-}" in
  --help|-h) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
  --check) check=1 ;;
  ?*) die 2 "knows --check, not $1" ;;
esac

grader=$root/bin/gadolin-grade
if [ $check = 0 ]; then
  need_packages build
  build=$root/build/course
  # No instructions of this machine alone: points must be the same on every one.
  [ -f "$build/build.ninja" ] ||
    configure "$build" -DGADOLIN_TESTS=OFF -DGADOLIN_CUDA=SOFTWARE -DGADOLIN_NATIVE=OFF "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG"
  say "building in build/course"
  cmake --build "$build" -j "$(build_jobs)" --target gadolin_grade gadolin_program
  mkdir -p "$root/bin"
  ln -sfn ../build/course/course/gadolin-grade "$grader"
  ln -sfn ../build/course/apps/gadolin "$root/bin/gadolin"
fi
[ -x "$grader" ] || die 1 "there is no bin/gadolin-grade; run course/setup.sh"
"$grader" --help > /dev/null || die 1 "bin/gadolin-grade does not start; run course/setup.sh again"
say "ready; in this shell: export PATH=\"$root/bin:\$PATH\"; then course/build.sh 1"
