#!/bin/bash
# Makes the reference of the public headers, docs/reference, with Doxygen.
#   tools/reference.sh [FOLDER]    pages in FOLDER (build/reference); begin with index.html
#   tools/reference.sh --check     no pages: fails when something that <gadolin/gadolin.h> reaches has no comment
# What counts as public is what gadolin/gadolin.h includes, and what these include.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
cd "$root"

check=0
out=$root/build/reference
case "${1:-}" in
  --help|-h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  --check) check=1 ;;
  --*) die 2 "knows --check, not $1" ;;
  ?*) out=$1 ;;
esac
command -v doxygen > /dev/null || need_packages reference

# The headers, each once.
reached=""
reach() {
  local header
  case " $reached " in *" $1 "*) return ;; esac
  reached="$reached $1"
  for header in $(sed -n 's/^#include "\(.*\)".*/\1/p' "$1"); do
    [ -f "$header" ] && reach "$header"
  done
  return 0
}
reach gadolin/gadolin.h
[ "$(wc -w <<< "$reached")" -gt 1 ] || die 1 "gadolin/gadolin.h reaches no header"

if [ $check = 1 ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
mkdir -p "$out"
said=$( { cat docs/reference/Doxyfile
          echo "INPUT = docs/reference/main.dox$reached"
          echo 'FILTER_PATTERNS = *.dox=cat'
          echo "STRIP_FROM_PATH = \"$root\""
          echo "STRIP_FROM_INC_PATH = \"$root\""
          echo "OUTPUT_DIRECTORY = \"$out\""
          echo "PROJECT_NUMBER = $(sed -n 's/^project(Gadolin VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)"
          [ $check = 0 ] || echo 'GENERATE_HTML = NO
GENERATE_XML = NO'
        } | doxygen - 2>&1 | grep -v 'No output formats selected' | sed "s|^$root/||" | sort -u || true)
if [ -n "$said" ]; then
  printf '%s\n' "$said" >&2
  die 1 "$(wc -l <<< "$said") things to say of the comments of public headers; CONTRIBUTING.md shows how they are written"
fi
[ $check = 1 ] || { rm -f "$out"/*.js "$out"/*.png "$out"/*.svg "$out"/tabs.css "$out"/doxygen.svg; say "begin with $out/index.html"; }
