# The kit of tools/gpu.sh: Gadolin built where there is no GPU, in one file that travels. Sourced by it.

kit=$root/.offline/kit.tar.xz
kit_programs="apps/gadolin tests/test_tensor tests/test_layers tests/test_nets tests/test_train tests/test_data tests/test_tasks"
kit_most=20000000   # bytes

# What programs are built from, whatever git knows of it.
fingerprint() {
  (cd "$root" && find gadolin tensor io layers nets data train tasks apps tests bench tools cmake CMakeLists.txt -type f \
    \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.py' -o -name '*.sh' -o -name '*.txt' -o -name '*.cmake' -o -name '*.proto' \) \
    -not -path '*/fixtures/*' -print0 | LC_ALL=C sort -z | xargs -0 sha1sum | sha1sum | cut -c1-12)
}

# 13.0, of a compiler.
release_of() { "$1" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p'; }

# For any x86-64 of the last ten years with a GPU of compute capability 9.0; without DICOM and databases, whose
# libraries would be most of the file.
prepare_kit() {
  local nvcc stage library size program
  nvcc=$(find_nvcc) || die 7 "no nvcc in PATH, CUDA_HOME or /usr/local/cuda"
  need_packages build tests
  local build=${GADOLIN_GPU_BUILD:-$root/build/gpu}
  say "building for compute capability 9.0 in ${build#"$root"/}"
  configure "$build" -DGADOLIN_CUDA=ON -DGADOLIN_CUDA_ARCHS=90 -DGADOLIN_NATIVE=OFF -DGADOLIN_TESTS=ON -DGADOLIN_DICOM=OFF \
    -DGADOLIN_DATABASE=OFF "-DCMAKE_CUDA_COMPILER=$nvcc" -DCMAKE_CXX_FLAGS=-march=x86-64-v3 -DCMAKE_CUDA_FLAGS=-Xcompiler=-march=x86-64-v3 ||
    die 1 "could not configure"
  cmake --build "$build" -j "$(build_jobs)" --target gadolin_program $(basename -a $kit_programs | grep '^test_') || die 1 "could not build"
  stage=$(mktemp -d)
  trap "rm -rf '$stage'" EXIT   # now: the name is gone when the script ends
  mkdir -p "$stage/apps" "$stage/tests" "$stage/lib" "$root/.offline"
  for program in $kit_programs; do strip -o "$stage/$program" "$build/$program" || die 1 "could not strip $program"; done
  # All but those of the C and C++ runtimes, which the other machine has.
  ldd "$build"/tests/test_tensor "$build"/apps/gadolin | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    grep -v -E '/(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|libcuda[a-z]*)\.so' | while read -r library; do cp -L "$library" "$stage/lib/"; done
  fingerprint > "$stage/sources"
  echo "$root" > "$stage/root"
  release_of "$nvcc" > "$stage/toolkit"
  # One window over all programs: most of what one holds stands in another as well. Targets of jumps are made absolute first.
  tar -cf - -C "$stage" . | xz -T1 --x86 --lzma2=preset=6,dict=256MiB > "$kit.new" || die 1 "could not pack"
  size=$(stat -c %s "$kit.new")
  if [ "$size" -gt $kit_most ]; then rm -f "$kit.new"; die 1 "the kit would take $size bytes, more than the $kit_most that may travel"; fi
  mv "$kit.new" "$kit"
  say "${kit#"$root"/}: $size bytes, sources $(cat "$stage/sources")"
}

# On the machine with a GPU. Tests look for their fixtures under the path that they were built in.
unpack_kit() {
  local there folders
  if [ ! -f "$build/sources" ]; then
    say "unpacking .offline/kit.tar.xz"
    xz -dc --memlimit=2GiB "$kit" | tar -xf - -C "$build" || die 1 "could not unpack .offline/kit.tar.xz"
  fi
  [ "$(cat "$build/sources")" = "$sources" ] ||
    die 1 ".offline/kit.tar.xz was made of other sources ($(cat "$build/sources"), here $sources); run tools/gpu.sh prepare again"
  there=$(cat "$build/root")
  if [ ! -e "$there" ]; then mkdir -p "$(dirname "$there")" && ln -s "$root" "$there" || die 1 "could not make $there, where tests look for fixtures"; fi
  # cuDNN and cuBLAS of the toolkit, or of Python's packages.
  folders=$(python3 -c 'import glob, nvidia; print(":".join(glob.glob(list(nvidia.__path__)[0] + "/*/lib")))' 2>/dev/null)
  export LD_LIBRARY_PATH="$build/lib:${CUDA_HOME:-/usr/local/cuda}/lib64:$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}
