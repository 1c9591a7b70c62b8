#!/bin/bash
# Builds and measures Gadolin on a machine with a GPU, without a network: CMake, Ninja, a CUDA toolkit and cuDNN headers must be there;
# the other libraries come from .offline/prefix.tar.xz (tools/offline-prefix.sh) or from the system.
#   tools/gpu.sh [--out DIR] [STEP...]
# Steps, in this order unless some are named:
#   build       build/gpu with CUDA, tests and benchmarks
#   test        every test program with the GPU required: a test skipped for want of a GPU fails
#   sanitize    compute-sanitizer memcheck over the CUDA op tests, where that program exists
#   bench       gadolin bench op, model and data
#   pytorch     bench/compare_pytorch.py with the ResNets, where python3 has torch
#   nets        the same with DenseNet-121, VGG-16 and Inception v3
#   memory      peak memory of training steps beside PyTorch's
# Results: DIR/<gpu>/<commit>.json and .md (default bench/results), written from what the steps printed. Logs: build/gpu/logs. Exit code: 0 when every
# step that ran succeeded.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

results=$root/bench/results
steps=""
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --out) [ $# -ge 2 ] || die 2 "--out needs a folder"; results=$(realpath -m "$2"); shift ;;
    build|test|sanitize|bench|pytorch|nets|memory) steps="$steps $1" ;;
    *) die 2 "unknown step or option $1; see tools/gpu.sh --help" ;;
  esac
  shift
done
[ -n "$steps" ] || steps="build test sanitize bench pytorch nets memory"
has_gpu || die 7 "nvidia-smi finds no GPU; this script is for a machine with one"
nvcc=$(find_nvcc) || die 7 "no nvcc in PATH, CUDA_HOME or /usr/local/cuda"

build=$root/build/gpu
logs=$build/logs
prefix=$build/offline
mkdir -p "$logs"
if [ -f "$root/.offline/prefix.tar.xz" ] && [ ! -d "$prefix/usr" ]; then
  say "unpacking .offline/prefix.tar.xz"
  mkdir -p "$prefix" && tar -xJf "$root/.offline/prefix.tar.xz" -C "$prefix" || die 1 "could not unpack .offline/prefix.tar.xz"
fi
if [ -d "$prefix/usr" ]; then
  for folder in "$prefix"/usr/lib/*-linux-gnu; do export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; done
  export PATH="$prefix/usr/bin:$PATH"
fi

gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1)
toolkit=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || cut -c1-12 "$prefix/commit" 2>/dev/null || echo unknown)
folder=$results/$(printf '%s' "$gpu" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
mkdir -p "$folder"
json=$folder/$commit.json
failed=""

step_build() {
  configure "$build" -DGADOLIN_CUDA=ON -DGADOLIN_TESTS=ON -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_PREFIX_PATH="$prefix/usr" &&
    cmake --build "$build" -j "$(build_jobs)"
}

step_test() {
  local program name code=0 rc
  : > "$logs/tests.txt"
  for program in "$build"/tests/test_* "$build"/tests/*/test_*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    name=$(basename "$program")
    GADOLIN_REQUIRE_CUDA=1 timeout 900 "$program" --gtest_brief=1 > "$logs/$name.txt" 2>&1
    rc=$?
    count() { sed -n "s/^\[ *$1 *\] \([0-9]*\) tests\{0,1\}[.,].*/\1/p" "$logs/$name.txt" | tail -1; }
    local passed failures skipped
    passed=$(count PASSED); failures=$(grep -c -E '^\[  FAILED  \] .* \([0-9]+ ms\)$' "$logs/$name.txt"); skipped=$(count SKIPPED)
    echo "$name $rc ${passed:-0} ${failures:-0} ${skipped:-0}" >> "$logs/tests.txt"
    echo "$name: exit $rc, ${passed:-0} passed, ${failures:-0} failed, ${skipped:-0} skipped"
    if [ $rc != 0 ]; then grep -E '^\[  FAILED  \]' "$logs/$name.txt" | sort -u | head -40; code=1; fi
  done
  [ -s "$logs/tests.txt" ] || { say "no test programs in build/gpu; run the build step"; code=1; }
  return $code
}

step_sanitize() {
  local tool code=0 name
  tool=$(command -v compute-sanitizer || echo "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")
  [ -x "$tool" ] || { say "no compute-sanitizer here: step left out"; echo "not present" > "$logs/sanitize.txt"; return 0; }
  for name in test_tensor test_layers; do
    timeout 540 "$tool" --tool memcheck --error-exitcode 99 "$build/tests/$name" --gtest_brief=1 '--gtest_filter=*Cuda*:*cuda*:*devices*' \
      > "$logs/sanitize_$name.txt" 2>&1 || code=1
    echo "$name: $(grep -h 'ERROR SUMMARY' "$logs/sanitize_$name.txt" | tail -1)"
  done | tee "$logs/sanitize.txt"
  grep -c 'ERROR SUMMARY: 0 errors' "$logs/sanitize.txt" | grep -qx 2
}

step_bench() {
  local gadolin=$build/apps/gadolin code=0 model mode dtype
  : > "$logs/bench.ndjson"
  "$gadolin" bench op --device cuda --json >> "$logs/bench.ndjson" || code=1
  for model in resnet18 resnet50 densenet121 vgg16 inception_v3; do
    local size=224
    [ $model = inception_v3 ] && size=299
    for mode in train infer; do
      for dtype in fp32 tf32 bf16; do
        "$gadolin" bench model $model --mode $mode --device cuda --dtype $dtype --batch 256 --input 3x${size}x$size --json >> "$logs/bench.ndjson" || code=1
      done
    done
  done
  "$gadolin" bench data "$root/examples/data/mednist-small" --json >> "$logs/bench.ndjson" || code=1
  tail -5 "$logs/bench.ndjson"
  return $code
}

# compare NAME OPTION...: a comparison with PyTorch, whose rows go into NAME.json and NAME.txt.
compare() {
  local name=$1; shift
  python3 -c 'import torch' 2>/dev/null || { say "python3 has no torch here: step left out"; return 0; }
  python3 "$root/bench/compare_pytorch.py" --gadolin "$build/apps/gadolin" --device cuda "$@" --json "$logs/$name.json" 2>&1 | tee "$logs/$name.txt"
}
step_pytorch() { compare pytorch --batch 256 --dtypes tf32,bf16 --variants eager,graph; }
step_nets() { compare nets --models densenet121,vgg16,inception_v3 --batch 128 --dtypes bf16 --variants eager,graph; }
step_memory() { compare memory --memory --models resnet50,densenet121,vgg16,inception_v3 --batch 64 --dtypes bf16; }

# What a training step should reach against PyTorch's eager one: the least, and what is aimed at.
goals='ResNet-50 bf16 1.25 / 1.45, DenseNet-121 1.4 / 1.9, VGG-16 1.12 / 1.3, Inception v3 1.25 / 1.5; peak memory of DenseNet-121 at most 0.5 / 0.3'

write_results() {
  quote() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }
  {
    printf '{"commit":"%s","gpu":"%s","driver":"%s","cuda":"%s","steps":"%s","failed":"%s",\n' "$commit" "$(quote "$gpu")" "$driver" "$toolkit" "$(quote "${steps# }")" "${failed# }"
    printf '"tests":['
    [ -f "$logs/tests.txt" ] && awk '{ printf "%s\n {\"program\":\"%s\",\"exit\":%s,\"passed\":%s,\"failed\":%s,\"skipped\":%s}", (NR > 1 ? "," : ""), $1, $2, $3, $4, $5 }' "$logs/tests.txt"
    printf '],\n"bench":['
    [ -f "$logs/bench.ndjson" ] && grep '^{' "$logs/bench.ndjson" | sed '$!s/$/,/'
    printf ']'
    local part
    for part in pytorch nets memory; do
      printf ',\n"%s":' $part
      if [ -s "$logs/$part.json" ]; then cat "$logs/$part.json"; else printf 'null'; fi
    done
    printf '}\n'
  } > "$json"
  {
    printf '# %s, commit %s\n\nDriver %s, CUDA %s. Written by `tools/gpu.sh`%s.\n\n' "$gpu" "$commit" "$driver" "$toolkit" "${steps:+ (steps:$steps)}"
    [ -n "$failed" ] && printf '**Failed:%s**\n\n' "$failed"
    if [ -f "$logs/tests.txt" ]; then
      printf '| tests | passed | failed | skipped |\n|---|---|---|---|\n'
      awk '{ printf "| %s | %s | %s | %s |\n", $1, $3, $4, $5 }' "$logs/tests.txt"
    fi
    [ -f "$logs/sanitize.txt" ] && printf '\nMemory checker:\n\n```\n%s\n```\n' "$(cat "$logs/sanitize.txt")"
    if [ -s "$logs/pytorch.txt" ] || [ -s "$logs/nets.txt" ] || [ -s "$logs/memory.txt" ]; then
      printf '\nAgainst PyTorch (a ratio above 1 means Gadolin is faster):\n\n```\n%s\n```\n\nGoals, least / aimed at: %s.\n' \
        "$(cat "$logs"/pytorch.txt "$logs"/nets.txt "$logs"/memory.txt 2>/dev/null)" "$goals"
    fi
  } > "${json%.json}.md"
  say "results in $json and ${json%.json}.md"
}

for step in $steps; do
  say "step $step"
  if ! "step_$step"; then
    failed="$failed $step"
    say "step $step failed"
    [ "$step" != build ] || break
  fi
done
write_results
[ -z "$failed" ]
