#!/bin/bash
# The long searches for faults at their full length, of which tools/test.sh runs a tenth.
#   tools/campaign.sh              all parts but that of the course, one after another: about an hour
#   tools/campaign.sh fuzz         the readers of files from their seeds: DICOM five minutes, the others two each
#   tools/campaign.sh kills        training runs of a classifier and a detector, and a pipeline, each killed 80 times at random moments and resumed
#   tools/campaign.sh boxes        a million boxes in one picture
#   tools/campaign.sh plans        every convolution of every net, planned by cuDNN for an H200 in every precision and use
#   tools/campaign.sh course       production's code and every known mistake graded by two compilers, with and without
#                                  sanitizers; alone it takes hours, and is not part of a call without names
# FUZZ_SECONDS=N sets the length of each fuzzer, GADOLIN_KILLS=N the number of kills. Builds what is missing in build/asan and
# build/test. What a fuzzer finds lies in build/asan/fuzz. Exit code: 0 when nothing was found.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

parts=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    fuzz|kills|boxes|plans|course) parts+=("$1") ;;
    *) die 2 "unknown part $1; see tools/campaign.sh --help" ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=(fuzz kills boxes plans)

for part in "${parts[@]}"; do
  case "$part" in
    fuzz)
      say "fuzz: every reader at full length"
      FUZZ_SHARE=1 "$root/tools/test.sh" -R '^fuzz\.' ;;
    kills)
      say "kills: 80 each of a classifier, a detector, a pipeline"
      GADOLIN_KILLS=${GADOLIN_KILLS:-80} "$root/tools/test.sh" --quick -R 'Kill\.|Pipeline\.Killed' ;;
    boxes)
      say "boxes: a million of them"
      GADOLIN_CAMPAIGN=1 "$root/tools/test.sh" --quick -R 'DetectionRobust' ;;
    plans)
      say "plans: all of them"
      GADOLIN_CAMPAIGN=1 "$root/tools/test.sh" --quick -R 'NetPlanning' ;;
    course)
      say "course: production and every mistake in four builds"
      "$root/tests/course/matrix.sh" --selftest ;;
  esac
done
