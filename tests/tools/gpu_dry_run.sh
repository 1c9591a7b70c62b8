#!/bin/bash
# tools/gpu.sh without a GPU: programs that only look like nvidia-smi, nvcc, cmake, compute-sanitizer, the tests and gadolin
# stand in a folder in front of PATH. Checked: parts and steps, what is resumed, what fails, and that results are JSON.
#   gpu_dry_run.sh ROOT SCRATCH [GADOLIN]     with the real program, its charts of the results are drawn too
set -u
root=$1 work=$2 real=${3:-}
rm -rf "$work"
mkdir -p "$work/bin" "$work/build/tests" "$work/build/apps" "$work/out"
faults=0
fault() { echo "FAULT: $*"; faults=$((faults + 1)); }
expect() { [ "$1" = "$2" ] || fault "$3: $1, not $2"; }
program() { cat > "$work/$1"; chmod +x "$work/$1"; }

program bin/nvidia-smi <<'END'
#!/bin/bash
case "$*" in *name*) echo "Test GPU 9" ;; *driver*) echo 1.2.3 ;; esac
END
program bin/nvcc <<'END'
#!/bin/bash
echo "Cuda compilation tools, release 13.0, V13.0.1"
END
program bin/cmake <<'END'
#!/bin/bash
echo "cmake $*"
END
program bin/compute-sanitizer <<'END'
#!/bin/bash
echo "$*" >> "$WORK/sanitized"
while [ "${1#--}" != "$1" ] ; do case "$1" in --tool|--error-exitcode) shift ;; esac; shift; done
exec "$@"
END
# A test program: tests of one shard; fails, hangs or skips when told to.
program test <<'END'
#!/bin/bash
name=$(basename "$0")
echo "$name $GTEST_SHARD_INDEX" >> "$WORK/ran"
[ "${GADOLIN_REQUIRE_CUDA:-}" = 1 ] || exit 9
[ "${HANG:-}" = "$name" ] && [ "$GTEST_SHARD_INDEX" = 1 ] && sleep 60
if [ "${FAIL:-}" = "$name" ] && [ "$GTEST_SHARD_INDEX" = 0 ]; then
  echo "[  FAILED  ] Op.Cuda/add (3 ms)"; echo "[  PASSED  ] 6 tests."; exit 1
fi
echo "[  PASSED  ] 7 tests."
END
for name in tensor io layers nets train data tasks layering apps; do cp "$work/test" "$work/build/tests/test_$name"; done
program build/apps/gadolin <<'END'
#!/bin/bash
echo '{"event":"op","family":"norm","name":"statistics","dtype":"bf16","share":0.8}'
echo '{"event":"done","metrics":{}}'
END
program compare.py <<'END'
import json, os, sys
args = sys.argv
value = lambda name, otherwise="infer": args[args.index(name) + 1] if name in args else otherwise
out = open(value("--json"), "w")
row = {"net": value("--models"), "mode": value("--modes"), "dtype": value("--dtypes"), "versions": {"torch": "0"}, "commit": os.environ["GADOLIN_COMMIT"]}
for batch in value("--batches", "1").split(","):
    for framework, variant, ms in (("pytorch", "eager", 30), ("pytorch", "compile", 21), ("gadolin", "graph", 20), ("gadolin", "eager", 25)):
        out.write(json.dumps(row | {"suite": "model", "batch": int(batch), "framework": framework, "variant": variant,
                                    "median_ms": ms, "min_ms": ms - 1, "max_ms": ms + 1}) + "\n")
END
sed -e 's/value("--models")/"lstm 2x256"/; s/value("--modes")/"train"/; s/value("--dtypes")/"bf16"/; s/"--batches", "1"/"--batches", "32"/' \
  "$work/compare.py" > "$work/compare_lstm.py"
mkdir -p "$work/modules"; : > "$work/modules/torch.py"   # python3 "has" it

gpu() {
  env -u COMPUTE_SANITIZER WORK="$work" PATH="$work/bin:$PATH" PYTHONPATH="$work/modules" GADOLIN_GPU_BUILD="$work/build" GADOLIN_COMPARE="$work/compare.py" \
    GADOLIN_COMMIT=abc123 OUT="$work/out" "$root/tools/gpu.sh" --out "$work/results" "$@" > "$work/said" 2>&1
}
ran() { sort -u "$work/ran" 2>/dev/null | wc -l; }

gpu nonsense; expect $? 2 "an unknown part"
gpu --limit soon; expect $? 2 "a limit that is no number"

gpu build correctness; expect $? 0 "build and correctness"
processes=$(awk '{ print $1 }' "$work/ran" | sort | uniq -c | awk '$2 == "test_tensor" { print $1 }')
shards=$((processes / 4))   # CUDA's first, all, memcheck, racecheck
[ "$shards" -ge 2 ] || fault "test_tensor ran in $processes processes"
expect "$(grep -c -- '--tool racecheck' "$work/sanitized")" $((2 * shards)) "racecheck over tensor and layers"
json=$work/results/test-gpu-9/abc123.json
page=${json%.json}.md
grep -q "| correctness | all-nets | 0 | [0-9]* | $((7 * shards)) | 0 | 0 |" "$page" || fault "the page counts no tests of nets"
for file in abc123.json abc123.md state.tar.gz; do [ -s "$work/out/$file" ] || fault "$file is not in OUT"; done

: > "$work/ran"
gpu correctness; expect $? 0 "correctness again"
expect "$(ran)" 0 "what had ended ran again; processes"
gpu --again correctness; expect $? 0 "correctness with --again"
[ "$(ran)" -gt 0 ] || fault "--again ran nothing"

# A failing program fails its step, the call, and nothing else.
FAIL=test_nets gpu --again correctness; expect $? 1 "a failing test"
grep -q '"step": "all-nets", "exit": 1,.*"failed": 1' "$json" || fault "the failure is not in the results"
grep -q 'Failed: correctness/all-nets (1)' "$page" || fault "the failure is not on the page"
grep -q '"step": "all-apps", "exit": 0' "$json" || fault "programs after the failing one did not run"

# Cut off by the limit: 75; the next call runs only the process that did not end, and what came after.
HANG=test_tensor gpu --again --limit 10 correctness; expect $? 75 "a call that the limit cuts off"
: > "$work/ran"
gpu correctness; expect $? 0 "the call after it"
expect "$(grep -c test_tensor "$work/ran")" $((1 + 3 * shards)) "processes of the program that was cut off in its first step"
# A fresh machine goes on from what came back.
mv "$work/build/logs" "$work/kept"
tar -xzf "$work/out/state.tar.gz" -C "$work/build" || fault "state.tar.gz"
: > "$work/ran"
gpu correctness; expect $? 0 "correctness from what came back"
expect "$(ran)" 0 "processes on a fresh machine"

gpu train kernels; expect $? 0 "train and kernels"
grep -q '| resnet50 train bf16, batch 256, vs eager | 1.50 | 1.25 | 1.45 | target |' "$page" || fault "ratio to eager"
grep -q '| resnet50 train bf16, batch 256, vs compile | 1.05 | 1.05 | 1.25 | gate |' "$page" || fault "ratio to compile"
grep -q '| resnet50 train bf16, batch 8/16/32, vs eager | 1.50 | 1.6 | 2.5 | \*\*missed\*\* |' "$page" || fault "a missed goal"
grep -q '| latency\|resnet50 latency bf16, batch 1, vs eager |  | 3 | 5 | not measured |' "$page" || fault "a goal that was not measured"
grep -q '| kernels of norm bf16, median share of the ceiling | 0.80 | 0.75 | 0.85 | gate |' "$page" || fault "share of kernels"
grep -q '| lstm 2x256 train bf16, batch 32, vs eager | 1.50 | 0.98 | 1.15 | target |' "$page" || fault "no row of the recurrent layers"
python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$json" || fault "$json is no JSON lines"
if [ -n "$real" ]; then "$real" bench plot "$json" --out "$work/charts" > /dev/null || fault "gadolin bench plot cannot read the results"; fi

# The two calls of a short lease: each row is there when its step has ended, one failure ends nothing else.
rm -rf "$work/build/logs"
gpu first; expect $? 0 "the first call"
grep -q "| first | cuda-tensor | 0 | [0-9]* | $((7 * shards)) | 0 | 0 |" "$page" || fault "the first call counts no tests of tensor"
[ -s "$work/build/logs/first/ours-train.json" ] || fault "the first call left no row of training"
tar -tzf "$work/out/plans.tar.gz" > /dev/null || fault "plans did not come back"
FAIL=test_tensor gpu second; expect $? 1 "the second call with a failing checker"
grep -q '| resnet50 train bf16, batch 256, vs compile | 1.05 | 1.05 | 1.25 | gate |' "$page" || fault "the second call compares with nothing compiled"
grep -q "Failed: second/memcheck (1)" "$page" || fault "a failure of the memory checker is not on the page"

# Programs that came with the tree need no compiler there; building does.
rm "$work/bin/nvcc"
without=$(printf '%s' "$PATH" | tr : '\n' | while read -r folder; do [ -x "$folder/nvcc" ] || printf '%s:' "$folder"; done)
echo 12.9 > "$work/build/toolkit"
PATH=$without CUDA_HOME=$work/none gpu --again first; expect $? 0 "the first call without a compiler"
grep -q '12\.9' "$page" || fault "the page does not name the compiler of the kit"
PATH=$without CUDA_HOME=$work/none gpu build; expect $? 7 "building without a compiler"

PATH="$work/none:/usr/bin:/bin" "$root/tools/gpu.sh" > /dev/null 2>&1; code=$?
command -v nvidia-smi > /dev/null || expect $code 7 "a machine without a GPU"
[ "$faults" = 0 ] || { echo "--- the last call said:"; tail -20 "$work/said"; exit 1; }
echo "all as expected"
