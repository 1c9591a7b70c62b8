#!/bin/bash
# Installs what is missing, builds Gadolin with its tests and runs them all; ends with ctest's summary and, on stderr, what
# failing tests said and the ten tests that took longest on the device made of software.
#   tools/test.sh            everything: the plain build (CUDA compiled in where nvcc is found), then the suites again
#                            under AddressSanitizer and UndefinedBehaviorSanitizer (compiled by clang 14), with the
#                            CUDA code on a device made of software (tests/device), the
#                            fuzzers of the file readers (a tenth of the time that tools/campaign.sh gives them;
#                            FUZZ_SECONDS=N sets all), and the loader under ThreadSanitizer
#   tools/test.sh --quick    the plain build alone
#   tools/test.sh -R REGEX   only tests whose name matches (any other ctest option too)
# Folders: build/test, build/asan, build/tsan. A second run compiles only what changed. Without a GPU the CUDA tests
# say "skipped". Exit code: 0 when every test passed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
. "$root/tools/device_tests.sh"

quick=0
ctest_options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick) quick=1 ;;
    *) ctest_options+=("$1") ;;
  esac
  shift
done

need_packages build tests format reference
jobs=$(build_jobs)
build=$root/build
say "building with tests in build/test"
configure "$build/test" -DGADOLIN_TESTS=ON -DGADOLIN_CUDA=AUTO
cmake --build "$build/test" -j "$jobs"

# One list of tests for ctest: those of the plain build and, a program each, those under sanitizers.
list=$build/CTestTestfile.cmake
echo "subdirs(\"$build/test\")" > "$list"
sanitized() {  # sanitized NAME PROGRAM [GTEST_FILTER [ENVIRONMENT [PROPERTIES]]]
  [ -f "$2" ] && [ -x "$2" ] || return 0  # build folders match the pattern too
  { echo "add_test($1 \"$2\" --gtest_brief=1 \"--gtest_filter=${3:-*}\")"
    echo "set_tests_properties($1 PROPERTIES TIMEOUT 1800 COST 400 LABELS sanitizer ENVIRONMENT \"${4:-}\" ${5:-})"; } >> "$list"
}
fuzzed() {  # fuzzed NAME: from its seeds and what earlier runs found, which stays in the build folder
  local program=$build/asan/fuzz/fuzz_$1
  [ -f "$program" ] || return 0  # without clang there are none
  mkdir -p "$build/asan/fuzz/found/$1"
  local seconds=120
  [ "$1" = dicom ] && seconds=300
  seconds=${FUZZ_SECONDS:-$((seconds / ${FUZZ_SHARE:-10}))}
  local words= more="\"$root/tests/fixtures/interop\""
  [ -f "$root/fuzz/$1.dict" ] && words="\"-dict=$root/fuzz/$1.dict\""
  [ "$1" = dicom ] && more="\"$root/tests/fixtures/dicom/pydicom\""
  { echo "add_test(fuzz.$1 \"$program\" -max_total_time=$seconds -timeout=20 -rss_limit_mb=1024 -verbosity=0 -print_funcs=0 -print_final_stats=1"
    echo "  $words \"-artifact_prefix=$build/asan/fuzz/$1-\" \"$build/asan/fuzz/found/$1\" \"$root/fuzz/corpus/$1\" $more)"
    echo "set_tests_properties(fuzz.$1 PROPERTIES TIMEOUT $((seconds + 900)) COST $seconds LABELS fuzz)"; } >> "$list"
}
if [ $quick = 0 ]; then
  compiler=()
  if (need_packages clang); then compiler=(-DCMAKE_CXX_COMPILER=clang++-14 -DGADOLIN_FUZZ=ON); fi
  say "building with AddressSanitizer and UndefinedBehaviorSanitizer in build/asan"
  configure "$build/asan" "${compiler[@]}" -DGADOLIN_TESTS=ON -DGADOLIN_CUDA=SOFTWARE "-DGADOLIN_SANITIZE=address;undefined" \
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -g1 -DNDEBUG"
  cmake --build "$build/asan" -j "$jobs"
  say "building the loader's tests with ThreadSanitizer in build/tsan"
  configure "$build/tsan" -DGADOLIN_TESTS=ON -DGADOLIN_CUDA=OFF -DGADOLIN_ONEDNN=OFF -DGADOLIN_APPS=OFF -DGADOLIN_SANITIZE=thread \
    "-DCMAKE_CXX_FLAGS_RELEASE=-O0 -g1 -DNDEBUG"
  cmake --build "$build/tsan" -j "$jobs" --target test_data
  # Whole trainings, kills by the second, benchmarks and readings of our own sources say nothing more under a sanitizer.
  plain_only="Kill*:RealData*:BodypartRoad.TheDocument:Commands.BenchmarksRun:CoreWatch.HasThreads*:BenchOp.CasesOfEveryFamilyRunAndGiveShares"
  plain_only="$plain_only:Nets/PlanOf*:Nets/TrainingMemoryOf*:Summary.SizesInTheListAreTheNetsOwn"
  plain_only="$plain_only:ServeConnections.F2MemoryIsFlat*"  # the sanitizer keeps what was freed for a while
  plain_only="$plain_only:CudnnPlanning*:NetPlanning*"  # of the real cuDNN
  plain_only="$plain_only:DetectionTask.Learns*:TrainingSteps.SgdInFp64:TrainingSteps.AdamWInFp32:TrainingSteps.RmspropInFp32"
  # Grading compiles what students write, with the compiler of the build.
  plain_only="$plain_only:Grading*:Hostile*:Reports.AScore*:Reports.WhatWasNotRun*:Reports.TheSame*:Reports.AResult*:Reports.ASecret*:Reports.NoHidden*"
  # Without a free descriptor UBSan takes every object for a wrong one.
  plain_only="$plain_only:Launch.AFirstRankThatCannotWriteIsSaidOnce"
  for program in "$build"/asan/tests/test_* "$build"/asan/tests/*/test_*; do
    [ "$(basename "$program")" = test_device_faults ] && continue
    leaks=
    [ "$(basename "$program")" = test_processes ] && leaks=";ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0"  # Open MPI has some
    shards=1; [ "$(basename "$program")" = test_apps ] && shards=2  # twenty minutes in one
    for ((index = 0; index < shards; ++index)); do
      # The device made of software is slow: only what asks for CUDA runs on it, in entries of its own.
      sanitized "asan.$(basename "$program").$index" "$program" "-$plain_only" \
        "GADOLIN_SOFTWARE_DEVICES=0;GTEST_TOTAL_SHARDS=$shards;GTEST_SHARD_INDEX=$index$leaks"
    done
  done
  # Device memory is closed to whoever looks for leaks. UndefinedBehaviorSanitizer finds the pack that lies askew itself, and ends the program.
  sanitized device.faults "$build/asan/tests/test_device_faults" "-DeviceAccess.APackBeginsAtAMultipleOfItsSize" \
    "GADOLIN_REQUIRE_CUDA=1;GADOLIN_TEST_BUDGET=120;ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0"
  # Every test that asks for a device, two shards of the long programs, each within ten processor minutes. Plans that are
  # measured stay in the build folder. A device whose checks are off is no clean run.
  for shard in tensor:2:0 tensor:2:1 layers:2:0 layers:2:1 nets:1:0 data:1:0 train:1:0 tasks:1:0 apps:1:0; do
    IFS=: read -r name shards index <<< "$shard"
    sanitized "device.test_$name.$index" "$build/asan/tests/test_$name" "$on_device" \
      "GADOLIN_REQUIRE_CUDA=1;GADOLIN_TEST_BUDGET=600;ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0;GADOLIN_CACHE_DIR=$build/asan/plans;GTEST_TOTAL_SHARDS=$shards;GTEST_SHARD_INDEX=$index" \
      'FAIL_REGULAR_EXPRESSION "accesses and races are not checked"'
  done
  # Several processes, each with a device of its own: NCCL's stand-in between them.
  sanitized device.test_processes "$build/asan/tests/test_processes" "*OnDevice*" \
    "GADOLIN_REQUIRE_CUDA=1;GADOLIN_SOFTWARE_DEVICES=4;GADOLIN_TEST_BUDGET=60;ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0;GADOLIN_CACHE_DIR=$build/asan/plans"
  # The two calls that a machine with a GPU would get, at tiny sizes; their report is made by Python.
  command -v python3 > /dev/null && { echo "add_test(device.gpu_calls bash \"$root/tests/tools/gpu_software_run.sh\" \"$root\" \"$build/asan/gpu_calls\" \"$build/asan\")"
    echo "set_tests_properties(device.gpu_calls PROPERTIES TIMEOUT 1800 COST 300 LABELS sanitizer)"; } >> "$list"
  for harness in "$root"/fuzz/*.cpp; do fuzzed "$(basename "$harness" .cpp)"; done
  sanitized tsan.loader "$build/tsan/tests/test_data" "*Loader*:*Uploader*"
fi

# Threads that wait by spinning slow one another down when programs run side by side.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# Not ASan's check of stack frames after their return: frames left by an exception are never given back to its own stack,
# and hostile files, an exception each, then spend nine tenths of their time in searching it.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:malloc_context_size=8} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}
cd "$build"
rc=0
ctest --output-on-failure -j "$(nproc 2>/dev/null || echo 2)" "${ctest_options[@]}" || rc=$?
# Why the first few failed once more, where a log that is cut off at its end still has it: Google Test's failures where there
# are any, else the entry's last lines.
if [ $rc != 0 ] && [ -s Testing/Temporary/LastTestsFailed.log ]; then
  while IFS=: read -r _ name; do
    printf -- '--- %s\n' "$name" >&2
    said=$(awk -v name="$name" 'sub(/^[0-9]+\/[0-9]+ Testing: /, "") { on = ($0 == name) } on' Testing/Temporary/LastTest.log)
    { grep '^\[  FAILED  \]' <<< "$said" && grep -A 15 ': Failure$' <<< "$said" || tail -40 <<< "$said"; } | cut -c 1-400 | sed -n 1,60p >&2
  done < <(head -5 Testing/Temporary/LastTestsFailed.log)
fi
slowest=$(sed -n 's/^slow: //p' Testing/Temporary/LastTest.log 2>/dev/null | sort -rn | head -10)
[ -z "$slowest" ] || printf 'slowest on the device made of software, in processor seconds:\n%s\n' "$slowest" >&2
exit $rc
