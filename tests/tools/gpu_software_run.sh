#!/bin/bash
# The two calls of tools/gpu.sh, and its part of several GPUs, on the device made of software: the real program and tests, at tiny sizes, with programs
# that only look like nvidia-smi, nvcc and the memory checker. What needs PyTorch is left out and says so.
#   gpu_software_run.sh ROOT SCRATCH BUILD      BUILD: configured with GADOLIN_CUDA=SOFTWARE
set -u
root=$1 work=$2 build=$3
rm -rf "$work"
mkdir -p "$work/bin" "$work/out" "$work/build" "$work/modules"
faults=0
fault() { echo "FAULT: $*"; faults=$((faults + 1)); }
program() { cat > "$work/bin/$1"; chmod +x "$work/bin/$1"; }
program nvidia-smi <<'END'
#!/bin/bash
case "$*" in -L) printf 'GPU 0: software\nGPU 1: software\n' ;; *name*) echo "Device made of software" ;; *driver*) echo 0 ;; esac
END
program nvcc <<'END'
#!/bin/bash
echo "Cuda compilation tools, release 13.0, V13.0.0"
END
program compute-sanitizer <<'END'
#!/bin/bash
while [ "${1#--}" != "$1" ] ; do case "$1" in --tool|--error-exitcode) shift ;; esac; shift; done
exec "$@"
END
ln -s "$build/apps" "$build/tests" "$work/build/"
echo 'raise ImportError("no torch here")' > "$work/modules/torch.py"
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 GADOLIN_SOFTWARE_CHECK=0

call() {
  PATH="$work/bin:$PATH" PYTHONPATH="$work/modules" GADOLIN_GPU_BUILD="$work/build" GADOLIN_CACHE_DIR="$work/cache" GADOLIN_COMMIT=software \
    OUT="$work/out" COMPUTE_SANITIZER="$work/bin/compute-sanitizer" \
    GADOLIN_GPU_DRY='relu.Cuda*:max_pool2d.Cuda:RecordedTransform*:Uploader.*:ComputeCopy.*Recorded*:Detect.IsRecorded' \
    "$root/tools/gpu.sh" --out "$work/results" "$@" > "$work/said" 2>&1
}
rows=$work/results/device-made-of-software/software.json
call --limit 900 first; code=$?
[ $code = 0 ] || { fault "the first call ended with $code"; tail -30 "$work/said"; }
for step in doctor cuda-tensor cuda-layers ours-train ours-infer ours-latency ops-bf16 plans; do
  grep -q "\"part\": \"first\", \"step\": \"$step\", \"exit\": 0" "$rows" || fault "no clean row of the step $step"
done
grep -q '"suite": "model", "variant": "graph"' "$rows" || grep -q '"variant": "graph"' "$rows" || fault "no row of a recorded step"
[ -s "$work/out/plans.tar.gz" ] || fault "no plans came back"
call --limit 900 second; code=$?
[ $code = 0 ] || { fault "the second call ended with $code"; tail -30 "$work/said"; }
grep -q '"step": "memcheck", "exit": 0' "$rows" || fault "the memory checker's step is not clean"
grep -q "second: python3 has no torch" "$work/results/device-made-of-software/software.md" || fault "what was left out is not on the page"
call --limit 900 gpus; code=$?
[ $code = 0 ] || { fault "the part of several GPUs ended with $code"; tail -30 "$work/said"; }
! command -v mpirun > /dev/null || grep -q '"part": "gpus", "step": "processes", "exit": 0' "$rows" || fault "no clean row of the processes"
[ "$faults" = 0 ] && echo "all as expected"
exit $((faults > 0))
