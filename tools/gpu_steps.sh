# The steps and parts of tools/gpu.sh, which sources this and says what each is.

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

# Two calls of one lease, on a machine where nothing is built: the first of correctness, the second of speed.
#   first    doctor, the CUDA tests, ResNet-50 beside PyTorch (eager, graph), single pictures, kernels, plans brought back
#   second   compiled PyTorch, the other nets, a detector, fp16, memory checker over some of the tests
resnet=resnet50 detector=retinanet_resnet50_fpn sides="512 800" nets="densenet121 vgg16 inception_v3" big=256 half=128 small_sizes="" few_calls="" patience=1
cuda_tests=$on_device
if [ -n "${GADOLIN_GPU_DRY:-}" ]; then  # on the device made of software (tests/tools/gpu_software_run.sh)
  resnet=resnet18 sides="" nets=resnet18 big=2 half=2 small_sizes="--input 3x32x32 --steps 1 --blocks 1 --seconds 0 --warm-up 4 --warm-seconds 0"
  few_calls="--calls 2" patience=10
  cuda_tests=$GADOLIN_GPU_DRY
fi
quick="--alternations 2 --seconds 0.5 --blocks 1"
# ours NAME SECONDS OPTIONS...: a row of Gadolin alone, whatever Python there is; on disk as soon as it is known.
ours() { step "$1" $(($2 * patience)) rows_of "$1" "${@:3}"; }
rows_of() { within "$gadolin" bench "${@:2}" --device cuda --json > "$dir/$1.part" && mv "$dir/$1.part" "$dir/$1.json"; }
part_first() {
  local name
  step doctor 30 within "$gadolin" doctor
  for name in tensor layers; do step "cuda-$name" 120 tests "cuda-$name" "$build/tests/test_$name" "$cuda_tests"; done
  ours ours-train 40 model $resnet --mode train --batch $big --dtype bf16 $small_sizes
  ours ours-infer 30 model $resnet --mode infer --batch $big --dtype bf16 $small_sizes
  ours ours-latency 30 model $resnet --latency --dtype bf16 $small_sizes $few_calls
  for name in tasks train nets data; do step "cuda-$name" 60 tests "cuda-$name" "$build/tests/test_$name" "$cuda_tests"; done
  beside train 90 --models $resnet --modes train --dtypes bf16 --batches $big --variants eager,graph $quick
  beside infer 60 --models $resnet --modes infer --dtypes bf16 --batches $big --variants eager,graph --no-check $quick
  beside latency 60 --latency --models $resnet --dtypes bf16 --variants eager,graph --calls 300 --alternations 2
  step ops-bf16 90 ops bf16
  [ -z "${OUT:-}" ] || step plans 10 bring_plans
}
bring_plans() { tar -czf "$OUT/plans.tar.gz" -C "$GADOLIN_CACHE_DIR" . && tar -tzf "$OUT/plans.tar.gz"; }
part_second() {
  local net side mode
  for side in $sides; do
    for mode in train infer; do ours "detector-$mode-$side" 40 model $detector --mode $mode --batch 16 --input "3x${side}x$side" --dtype bf16; done
    beside "detector-$side" 120 --models $detector --modes train,infer --dtypes bf16 --batches 16 --size "$side" --variants eager --no-check $quick
  done
  beside compile 120 --models $resnet --modes train --dtypes bf16 --batches $big --variants compile --no-check $quick
  for net in $nets; do beside "$net" 60 --models "$net" --modes train --dtypes bf16 --batches $half --variants eager,graph --no-check $quick; done
  beside fp16 60 --models $resnet --modes train --dtypes fp16 --batches $big --variants eager,graph --no-check $quick
  lstm_beside 90
  step memcheck 90 memory_checked tensor
}
# A part of the tests: the checker makes each launch many times slower.
memory_checked() {
  find_checker || return 0
  tests "memcheck-$1" "$build/tests/test_$1" "${GADOLIN_GPU_DRY:-*CudaViews*:CapturedStep*}" "$tool" --tool memcheck --error-exitcode 99
}
find_checker() {
  tool=${COMPUTE_SANITIZER:-$(command -v compute-sanitizer || echo "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")}
  [ -x "$tool" ] && return 0
  say "no compute-sanitizer here: left out"
  echo "no compute-sanitizer on this machine" > "$dir/left_out.txt"
  return 1
}

part_build() {
  step configure 120 configure_here || return 1
  step program 540 within cmake --build "$build" -j "$(build_jobs)" --target gadolin_program || return 1
  step tests 540 within cmake --build "$build" -j "$(build_jobs)"
}
configure_here() { configure "$build" -DGADOLIN_CUDA=ON -DGADOLIN_TESTS=ON -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_PREFIX_PATH="$prefix/usr"; }

part_correctness() {
  local name tool
  for name in tensor layers; do step "cuda-$name" 300 tests "cuda-$name" "$build/tests/test_$name" "$cuda_tests"; done
  for name in tensor io layers nets train data tasks layering apps; do step "all-$name" 500 tests "all-$name" "$build/tests/test_$name" '*'; done
  find_checker || return 0
  local check
  for check in memcheck racecheck; do
    for name in tensor layers; do step "$check-$name" 500 tests "$check-$name" "$build/tests/test_$name" "$cuda_tests" "$tool" --tool $check --error-exitcode 99; done
  done
}

ops() { within "$gadolin" bench op ${GADOLIN_GPU_DRY:+--list --batch 1} --device cuda --dtype "$1" --json | tee "$dir/ops-$1.json"; }
part_kernels() { local dtype; for dtype in bf16 fp32 fp16; do step "ops-$dtype" 240 ops $dtype; done; }

# Several GPUs, a process each: sums by NCCL, at first whether they are right, then what a step costs beside one GPU.
part_gpus() {
  local count n
  count=$(nvidia-smi -L | grep -c '^GPU')
  if [ "$count" -lt 2 ] || ! command -v mpirun > /dev/null; then
    say "one GPU, or no mpirun: left out"
    echo "several GPUs and mpirun are needed, $count GPU here" > "$dir/left_out.txt"
    return 0
  fi
  step processes 300 tests processes "$build/tests/test_processes" "${GADOLIN_GPU_DRY:+SumsOnDevices.RunBeside*:}${GADOLIN_GPU_DRY:-*OnDevice*}"
  [ -z "${GADOLIN_GPU_DRY:-}" ] || return 0  # a step of a whole net takes minutes there
  for n in $(printf '%s\n' 1 2 "$count" | sort -nu); do step "step-$n" 60 gpus_row "$n"; done
}
gpus_row() {
  local words=(bench processes $resnet --batch $((big * $1)) --dtype bf16 --device cuda --json)
  if [ "$1" = 1 ]; then words+=(--measured); else words=(launch -n "$1" -- "${words[@]}"); fi
  within "$gadolin" "${words[@]}" > "$dir/step-$1.part" && mv "$dir/step-$1.part" "$dir/step-$1.json"
}

has_torch() {
  python3 -c 'import torch' 2>/dev/null && return 0
  say "python3 has no torch here: left out"
  echo "python3 has no torch" > "$dir/left_out.txt"
  return 1
}
# The sequence model of head CT, 2 x 256 in two directions on 1,536 features, batch 32, 60 steps; each side by cudnnRNN.
lstm_beside() {
  has_torch || return 0
  step lstm "$1" within python3 "$(dirname "$compare")/compare_lstm.py" --gadolin "$gadolin" --device cuda --threads "$cores" --seconds 0.5 --json "$dir/lstm.json"
}
# beside NAME SECONDS OPTION...: a comparison with PyTorch; its rows go into NAME.json.
beside() {
  local name=$1 most=$2
  shift 2
  has_torch || return 0
  step "$name" "$most" within python3 "$compare" --gadolin "$gadolin" --device cuda --threads "$cores" --json "$dir/$name.json" "$@"
}
part_train() {
  beside resnet50-bf16 280 --models resnet50 --modes train --dtypes bf16 --batches 256 --variants eager,graph,cast,compile
  beside resnet50-fp16 280 --models resnet50 --modes train --dtypes fp16 --batches 256 --variants eager,graph,compile
  beside resnet50-small 280 --models resnet50 --modes train --dtypes bf16 --batches 8,32 --no-check --variants eager,graph,compile-reduce-overhead
  beside densenet121 280 --models densenet121 --modes train --dtypes bf16 --batches 128 --variants eager,graph,compile
  beside vgg16 240 --models vgg16 --modes train --dtypes bf16 --batches 128 --variants eager,graph,compile
  beside inception_v3 280 --models inception_v3 --modes train --dtypes bf16 --batches 128 --variants eager,graph,compile
  lstm_beside 200
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
part_memory() {
  local net
  for net in resnet50 densenet121 vgg16 inception_v3; do beside $net 200 --memory --models $net --dtypes bf16 --batches 64; done
  beside $detector 200 --memory --models $detector --modes train --dtypes bf16 --batches 16 --size 800
}
