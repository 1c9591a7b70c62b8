#!/bin/bash
# Checks and measures Gadolin on a machine with a GPU, without a network.
#   tools/gpu.sh prepare     here, without a GPU: programs and tests for it and the libraries they need, in .offline/kit.tar.xz
#   tools/gpu.sh first       there: correctness of all that runs on a GPU, then ResNet-50 and the kernels; within 7 minutes
#   tools/gpu.sh second      there, the call after it: compiled PyTorch, other nets, fp16, memory checker; within 5
#   tools/gpu.sh [--again] [--limit SECONDS] [--out DIR] [PART...]
# The last form builds there: CMake, Ninja, a CUDA toolkit and cuDNN headers must be there; the other libraries come from
# .offline/prefix.tar.xz (tools/offline-prefix.sh) or the system. Parts, in this order unless some are named:
#   build        build/gpu with CUDA: program first, tests second
#   correctness  every test with the GPU required, CUDA's first (a test skipped for want of a GPU fails); then
#                compute-sanitizer's memcheck and racecheck over the CUDA op tests
#   kernels      gadolin bench op: each kernel's share of the device's measured ceilings
#   gpus         where there are several: the tests of processes, and a step of ResNet-50 on one, two and all of them
#   train, infer, endtoend, startup, memory     beside PyTorch (bench/compare_pytorch.py), where python3 has torch
# One call ends within --limit (540) seconds. Parts consist of steps; one that has ended for these sources is not run again
# (--again: the named parts from the beginning), one that the limit cut off is. Exit code: 0 all parts that were asked for
# have ended well, 75 the limit came first (send the same call again), 1 a step failed, 2 a mistake in the call, 7 no GPU.
# Results: DIR/<gpu>/<commit>.json (JSON lines, for `gadolin bench plot`) and .md (goals and what was reached), by
# bench/gpu_report.py from what the steps wrote in build/gpu/logs/<part>/; default DIR bench/results. With $OUT set, both go
# there too, with state.tar.gz: put into .offline/ before the next call, it lets a fresh machine go on where this one ended.
#
# On a machine lent for minutes, where commands run without the history: prepare here, then send two calls with .offline
# carried, GADOLIN_COMMIT=<commit> tools/gpu.sh first, and second; between them put what came back, plans.tar.gz and
# state.tar.gz, into .offline. The JSON and .md files go into bench/results. Where tree and kit together may be 64 MiB, leave
# tests/fixtures/nets and examples/data behind for these calls (rm -r; git restore brings them back): 36 MB that no call needs.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
. "$root/tools/device_tests.sh"
. "$root/tools/gpu_steps.sh"
. "$root/tools/gpu_kit.sh"

all_parts="build correctness kernels gpus train infer endtoend startup memory"
results=$root/bench/results limit_of_call="" again="" parts=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,28s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --out) [ $# -ge 2 ] || die 2 "--out needs a folder"; results=$(realpath -m "$2"); shift ;;
    --limit) [[ "${2:-}" =~ ^[1-9][0-9]{0,4}$ ]] || die 2 "--limit needs seconds"; limit_of_call=$2; shift ;;
    --again) again=1 ;;
    prepare) prepare_kit; exit ;;
    first|second) parts="$parts $1" ;;
    *) case " $all_parts " in *" $1 "*) parts="$parts $1" ;; *) die 2 "unknown part or option $1; see tools/gpu.sh --help" ;; esac ;;
  esac
  shift
done
parts=${parts:-$all_parts}
case "$parts" in *first*) most=420 ;; *second*) most=300 ;; *) most=540 ;; esac
limit_of_call=${limit_of_call:-$most}
has_gpu || die 7 "nvidia-smi finds no GPU; this script is for a machine with one"
nvcc=$(find_nvcc || true)   # what was built by prepare needs none

build=${GADOLIN_GPU_BUILD:-$root/build/gpu}   # the dry run of the tests has another one
compare=${GADOLIN_COMPARE:-$root/bench/compare_pytorch.py}
logs=$build/logs prefix=$build/offline gadolin=$build/apps/gadolin
SECONDS=0
mkdir -p "$build"
if [ -f "$root/.offline/state.tar.gz" ] && [ ! -d "$logs" ]; then tar -xzf "$root/.offline/state.tar.gz" -C "$build" || die 1 "could not unpack .offline/state.tar.gz"; fi
mkdir -p "$logs"
if [ -f "$root/.offline/prefix.tar.xz" ] && [ ! -d "$prefix/usr" ] && [ -z "${GADOLIN_GPU_BUILD:-}" ]; then
  say "unpacking .offline/prefix.tar.xz"
  mkdir -p "$prefix"
  tar -xJf "$root/.offline/prefix.tar.xz" -C "$prefix" || die 1 "could not unpack .offline/prefix.tar.xz"
fi
if [ -d "$prefix/usr" ]; then
  for folder in "$prefix"/usr/lib/*-linux-gnu; do export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; done
  export PATH="$prefix/usr/bin:$PATH"
fi
# Steps count for the sources they ran with, whatever git knows of them.
sources=$(fingerprint)
if [ "$(cat "$logs/sources" 2>/dev/null)" != "$sources" ]; then rm -rf "${logs:?}"/*; echo "$sources" > "$logs/sources"; fi
gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)
export GADOLIN_COMMIT=${GADOLIN_COMMIT:-$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo "sources-$sources")}
# Engines that were timed, for the second call and to be brought back.
export GADOLIN_CACHE_DIR=${GADOLIN_CACHE_DIR:-$build/cache}
mkdir -p "$GADOLIN_CACHE_DIR"
if [ -f "$root/.offline/plans.tar.gz" ]; then tar -xzf "$root/.offline/plans.tar.gz" -C "$GADOLIN_CACHE_DIR" || die 1 "could not unpack .offline/plans.tar.gz"; fi
case "$parts" in *first*|*second*) if [ -f "$kit" ] && [ -z "${GADOLIN_GPU_BUILD:-}" ]; then unpack_kit; elif [ ! -x "$gadolin" ]; then parts="build $parts"; fi ;; esac
case " $parts " in *" build "*) [ -n "$nvcc" ] || die 7 "no nvcc in PATH, CUDA_HOME or /usr/local/cuda" ;; esac
if [ -n "$nvcc" ]; then toolkit=$(release_of "$nvcc"); else toolkit=$(cat "$build/toolkit" 2>/dev/null || echo unknown); fi
cores=$(nproc)
shards=$(( cores > 3 ? cores / 2 : 2 ))

cut="" failed="" write_failed=""
write_results() {
  local folder
  folder=$results/$(printf '%s' "$gpu" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
  python3 "$root/bench/gpu_report.py" "$logs" "$folder/$GADOLIN_COMMIT" --gpu "$gpu" --driver "$driver" --cuda "$toolkit" --commit "$GADOLIN_COMMIT" || { write_failed=1; return 1; }
  if [ -n "${OUT:-}" ]; then
    mkdir -p "$OUT" && cp "$folder/$GADOLIN_COMMIT.json" "$folder/$GADOLIN_COMMIT.md" "$OUT/" && tar -czf "$OUT/state.tar.gz" -C "$build" logs
  fi
}
for part in $parts; do
  dir=$logs/$part
  if [ -n "$again" ] || [ "$part" = build ]; then rm -rf "$dir"; fi   # what is built already, Ninja knows
  mkdir -p "$dir"
  "part_$part"
  [ "$part" != build ] || [ -z "$failed$cut" ] || break   # the others need the program
done
write_results
[ -z "$failed$write_failed" ] || { say "failed:${failed:- the results could not be written}"; exit 1; }
[ -z "$cut" ] || { say "the limit of $limit_of_call seconds came first; send the same call again"; exit 75; }
