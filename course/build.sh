#!/bin/bash
# Compiles an assignment: copies the starter to course/N/work where there is none yet, compiles your files in place of the
# framework's own, and says how the demonstration is run where it draws something.
#   course/build.sh N           N is 1 to 7
# Needs what course/setup.sh has built. Exit code: 0 when everything compiles.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
say() { printf 'build.sh: %s\n' "$*" >&2; }
case "${1:-}" in
  [1-7]) number=$1 ;;
  --help|-h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) say "which assignment? course/build.sh N, with N from 1 to 7"; exit 2 ;;
esac
grader=${GADOLIN_GRADE:-$root/bin/gadolin-grade}
[ -x "$grader" ] || { say "there is no bin/gadolin-grade; run course/setup.sh once"; exit 2; }
work=$root/course/$number/work
if [ ! -d "$work" ]; then
  cp -R "$root/course/$number/starter" "$work.new"
  touch "$work.new/answers.toml" "$work.new/HELP.md"
  mv "$work.new" "$work"
  say "your files are in course/$number/work"
fi
begin=$(date +%s)
program=$("$grader" build "$number" "$work")
say "everything compiles ($(($(date +%s) - begin)) s)"
! grep -q '"demo"' "$root/course/$number/answer.cpp" || say "demonstration: $program --demo course/$number/work"
say "points: gadolin-grade $number"
