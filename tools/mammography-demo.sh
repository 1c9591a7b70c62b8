#!/usr/bin/env bash
# Runs the commands of docs/mammography.md as they are printed, and prints the processor seconds of each.
#   tools/mammography-demo.sh GADOLIN FOLDER [EPOCHS PATIENTS]     with a tenth: ... 3 12
set -euo pipefail
case "${1:-}" in ""|-h|--help) sed -n '2,3p' "$0" | cut -c3-; exit 0 ;; esac
program=$(realpath "$1") folder=$2 epochs=${3:-} patients=${4:-}
document=$(dirname "$(realpath "$0")")/../docs/mammography.md
mkdir -p "$folder"; cd "$folder"
export OMP_WAIT_POLICY=passive
gadolin() { "$program" "$@"; }
# What stands between ``` and ```; shorter where it is asked for.
awk '/^```/ { inside = !inside; next } inside' "$document" |
  if [ -n "$epochs" ]; then sed -E "s/--epochs [0-9]+/--epochs $epochs/; s/(archive --patients) [0-9]+/\1 ${patients:-12}/"; else cat; fi |
  while self=$BASHPID; IFS= read -r line; do
    [ -n "$line" ] || continue
    printf '$ %s\n' "$line"
    before=$(awk '{ print $16 + $17 }' "/proc/$self/stat")
    eval "$line" </dev/null
    after=$(awk '{ print $16 + $17 }' "/proc/$self/stat")
    printf '# %s processor seconds\n' "$(( (after - before) / $(getconf CLK_TCK) ))"
  done
