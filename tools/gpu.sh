#!/bin/bash
# Builds, checks and measures Gadolin on a machine with a GPU, without a network: CMake, Ninja, a CUDA toolkit and cuDNN
# headers must be there; the other libraries come from .offline/prefix.tar.xz (tools/offline-prefix.sh) or the system.
#   tools/gpu.sh [--again] [--limit SECONDS] [--out DIR] [PART...]
# Parts, in this order unless some are named:
#   build        build/gpu with CUDA: program first, tests second
#   correctness  every test with the GPU required, CUDA's first (a test skipped for want of a GPU fails); then
#                compute-sanitizer's memcheck and racecheck over the CUDA op tests
#   kernels      gadolin bench op: each kernel's share of the device's measured ceilings
#   train, infer, endtoend, startup, memory     beside PyTorch (bench/compare_pytorch.py), where python3 has torch
# One call ends within --limit (540) seconds. Parts consist of steps; one that has ended for these sources is not run again
# (--again: the named parts from the beginning), one that the limit cut off is. Exit code: 0 all parts that were asked for
# have ended well, 75 the limit came first (send the same call again), 1 a step failed, 2 a mistake in the call, 7 no GPU.
# Results: DIR/<gpu>/<commit>.json (JSON lines, for `gadolin bench plot`) and .md (goals and what was reached), by
# bench/gpu_report.py from what the steps wrote in build/gpu/logs/<part>/; default DIR bench/results. With $OUT set, both go
# there too, with state.tar.gz: put into .offline/ before the next call, it lets a fresh machine go on where this one ended.
#
# On a machine lent for 10 minutes a call and 30 in all, where commands run without the history, begin each call with
# GADOLIN_COMMIT=<commit>, carry .offline, and send: 1. `tools/gpu.sh build correctness` (16 cores: about 5 minutes of build)
# 2. `tools/gpu.sh build correctness train kernels` 3. `tools/gpu.sh build train infer startup` 4. the same with endtoend
# memory. `build` is quick where build/gpu has been kept, and has to come first where it has not.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

all_parts="build correctness kernels train infer endtoend startup memory"
results=$root/bench/results limit_of_call=540 again="" parts=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,24s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --out) [ $# -ge 2 ] || die 2 "--out needs a folder"; results=$(realpath -m "$2"); shift ;;
    --limit) [[ "${2:-}" =~ ^[1-9][0-9]{0,4}$ ]] || die 2 "--limit needs seconds"; limit_of_call=$2; shift ;;
    --again) again=1 ;;
    *) case " $all_parts " in *" $1 "*) parts="$parts $1" ;; *) die 2 "unknown part or option $1; see tools/gpu.sh --help" ;; esac ;;
  esac
  shift
done
parts=${parts:-$all_parts}
has_gpu || die 7 "nvidia-smi finds no GPU; this script is for a machine with one"
nvcc=$(find_nvcc) || die 7 "no nvcc in PATH, CUDA_HOME or /usr/local/cuda"

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
sources=$(cd "$root" && find gadolin tensor io layers nets data train tasks apps tests bench tools cmake CMakeLists.txt -type f \
  \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.py' -o -name '*.sh' -o -name '*.txt' -o -name '*.cmake' -o -name '*.proto' \) \
  -not -path '*/fixtures/*' -print0 | sort -z | xargs -0 sha1sum | sha1sum | cut -c1-12)
if [ "$(cat "$logs/sources" 2>/dev/null)" != "$sources" ]; then rm -rf "${logs:?}"/*; echo "$sources" > "$logs/sources"; fi
gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)
toolkit=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
export GADOLIN_COMMIT=${GADOLIN_COMMIT:-$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo "sources-$sources")}
cores=$(nproc)
shards=$(( cores > 3 ? cores / 2 : 2 ))

# step NAME SECONDS COMMAND...: runs COMMAND with `limit` set to the seconds it may take. Its output and exit code are kept in
# $dir; a command that the end of the call cut off is run again next time.
step() {
  local name=$1 most=$2 rc began=$SECONDS left
  shift 2
  [ -z "$cut" ] || return 0
  if [ -f "$dir/$name.ended" ]; then
    read -r rc _ < "$dir/$name.ended"
    say "$part: $name had ended ($rc)"
  else
    left=$((limit_of_call - SECONDS))
    if [ "$left" -lt 2 ]; then cut=1; return 0; fi
    limit=$((most < left ? most : left))
    say "$part: $name"
    "$@" > "$dir/$name.txt" 2>&1
    rc=$?
    if [ $rc = 124 ] && [ "$limit" -lt "$most" ]; then cut=1; say "$part: $name was cut off by the limit"; return 0; fi
    echo "$rc $((SECONDS - began))" > "$dir/$name.ended"
  fi
  [ "$rc" = 0 ] && return 0
  failed="$failed $part/$name"
  say "$part: $name failed ($rc)"
  tail -12 "$dir/$name.txt" >&2
  return 1
}
within() { timeout -k 5 "$limit" "$@"; }

# tests NAME PROGRAM FILTER [TOOL...]: the tests of a program in processes side by side, each of which is resumed by itself.
tests() {
  local name=$1 program=$2 filter=$3 k rc worst=0 pids=""
  shift 3
  [ -x "$program" ] || { echo "no $program; run the part build"; return 1; }
  for ((k = 0; k < shards; ++k)); do
    [ -f "$dir/$name.$k.rc" ] && continue
    (
      GADOLIN_REQUIRE_CUDA=1 GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$k OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive \
        timeout -k 5 "$limit" "$@" "$program" --gtest_brief=1 "--gtest_filter=$filter" > "$dir/$name.$k.log" 2>&1
      rc=$?
      [ $rc = 124 ] || [ $rc = 137 ] || echo $rc > "$dir/$name.$k.rc"   # out of time: again
    ) &
    pids="$pids $!"
  done
  [ -z "$pids" ] || wait $pids
  local passed=0 failures=0 skipped=0
  sum() { awk '{ n += $1 } END { print n + 0 }'; }
  passed=$(cat "$dir/$name".*.log | sed -n 's/^\[ *PASSED *\] \([0-9]*\) tests\{0,1\}\..*/\1/p' | sum)
  skipped=$(cat "$dir/$name".*.log | sed -n 's/^\[ *SKIPPED *\] \([0-9]*\) tests\{0,1\}[.,].*/\1/p' | sum)
  failures=$(cat "$dir/$name".*.log | grep -c -E '^\[  FAILED  \] .* \([0-9]+ ms\)$')
  for ((k = 0; k < shards; ++k)); do
    rc=$(cat "$dir/$name.$k.rc" 2>/dev/null || echo 124)
    [ "$rc" = 124 ] && { echo "process $k ran out of time"; return 124; }
    [ "$rc" = 0 ] || worst=$rc
  done
  echo "TESTS $passed passed, $failures failed, $skipped skipped"
  [ $worst = 0 ] || cat "$dir/$name".*.log | grep -E '^\[  FAILED  \]|ERROR SUMMARY: [1-9]|=========     at|skipped, but' | sort | uniq -c | head -40
  [ "$passed" -gt 0 ] || { echo "no test ran"; worst=1; }
  return $worst
}

part_build() {
  step configure 120 configure_here || return 1
  step program 540 within cmake --build "$build" -j "$(build_jobs)" --target gadolin_program || return 1
  step tests 540 within cmake --build "$build" -j "$(build_jobs)"
}
configure_here() { configure "$build" -DGADOLIN_CUDA=ON -DGADOLIN_TESTS=ON -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_PREFIX_PATH="$prefix/usr"; }

part_correctness() {
  local name tool cuda='*Cuda*:*cuda*:*devices*'
  for name in tensor layers; do step "cuda-$name" 300 tests "cuda-$name" "$build/tests/test_$name" "$cuda"; done
  for name in tensor io layers nets train data tasks layering apps; do step "all-$name" 500 tests "all-$name" "$build/tests/test_$name" '*'; done
  tool=${COMPUTE_SANITIZER:-$(command -v compute-sanitizer || echo "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")}
  if [ ! -x "$tool" ]; then say "no compute-sanitizer here: left out"; echo "no compute-sanitizer on this machine" > "$dir/left_out.txt"; return; fi
  local check
  for check in memcheck racecheck; do
    for name in tensor layers; do step "$check-$name" 500 tests "$check-$name" "$build/tests/test_$name" "$cuda" "$tool" --tool $check --error-exitcode 99; done
  done
}

ops() { within "$gadolin" bench op --device cuda --dtype "$1" --json | tee "$dir/ops-$1.json"; }
part_kernels() { local dtype; for dtype in bf16 fp32 fp16; do step "ops-$dtype" 240 ops $dtype; done; }

# beside NAME SECONDS OPTION...: a comparison with PyTorch; its rows go into NAME.json.
beside() {
  local name=$1 most=$2
  shift 2
  if ! python3 -c 'import torch' 2>/dev/null; then say "python3 has no torch here: left out"; echo "python3 has no torch" > "$dir/left_out.txt"; return 0; fi
  step "$name" "$most" within python3 "$compare" --gadolin "$gadolin" --device cuda --threads "$cores" --json "$dir/$name.json" "$@"
}
part_train() {
  beside resnet50-bf16 280 --models resnet50 --modes train --dtypes bf16 --batches 256 --variants eager,graph,cast,compile
  beside resnet50-fp16 280 --models resnet50 --modes train --dtypes fp16 --batches 256 --variants eager,graph,compile
  beside resnet50-small 280 --models resnet50 --modes train --dtypes bf16 --batches 8,32 --no-check --variants eager,graph,compile-reduce-overhead
  beside densenet121 280 --models densenet121 --modes train --dtypes bf16 --batches 128 --variants eager,graph,compile
  beside vgg16 240 --models vgg16 --modes train --dtypes bf16 --batches 128 --variants eager,graph,compile
  beside inception_v3 280 --models inception_v3 --modes train --dtypes bf16 --batches 128 --variants eager,graph,compile
  beside resnet50-autotune 480 --models resnet50 --modes train --dtypes bf16 --batches 1024 --no-check --variants eager,compile-max-autotune
  beside resnet50-batches 480 --models resnet50 --modes train --dtypes bf16 --batches 64,128,512 --no-check --variants eager,compile
}
part_infer() {
  beside latency 280 --latency --models resnet50 --dtypes bf16 --variants eager,graph,folded,cast,compile-reduce-overhead
  beside resnet50-256 280 --models resnet50 --modes infer --dtypes bf16 --batches 256 --variants eager,graph,folded,cast,compile
  beside resnet50-batches 480 --models resnet50 --modes infer --dtypes bf16 --batches 8,32,128,1024 --variants eager,graph,cast
  beside latency-fp16 280 --latency --models resnet50 --dtypes fp16 --variants eager,graph,folded,cast,compile-reduce-overhead
  beside nets 480 --models densenet121,vgg16,inception_v3 --modes infer --dtypes bf16 --batches 128 --variants eager,graph,cast
}
part_endtoend() {
  beside resnet50 480 --end-to-end "$build/pictures" --pictures 12000 --models resnet50 --dtypes bf16 --batches 256 --workers "$cores"
  beside loader 240 --loader "$build/pictures" --batches 256 --workers "$cores"
}
part_startup() {
  beside eager 240 --startup --models resnet50 --dtypes bf16 --batches 32 --variants eager,eager+heuristic
  beside compile 420 --startup --models resnet50 --dtypes bf16 --batches 32 --variants compile --alternations 2
}
part_memory() { local net; for net in resnet50 densenet121 vgg16 inception_v3; do beside $net 200 --memory --models $net --dtypes bf16 --batches 64; done; }

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
