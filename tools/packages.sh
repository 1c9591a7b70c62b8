# The distribution's packages that Gadolin needs, named in this one place. Sourced by the other tools:
#   need_packages build tests ...     installs what is missing of these lists, saying so first
# Debian 12 and Ubuntu 22.04 and later know all of them by these names.

packages_build="g++ cmake ninja-build pkg-config libdnnl-dev libjpeg-dev libpng-dev zlib1g-dev libdeflate-dev libstb-dev
  nlohmann-json3-dev libcli11-dev libprotobuf-dev protobuf-compiler libdcmtk-dev libcharls-dev
  libopenjp2-7-dev libsoci-dev libpugixml-dev libmicrohttpd-dev libopenmpi-dev openmpi-bin"
packages_tests="libgtest-dev libbenchmark-dev mariadb-server-core mariadb-client-core postgresql iproute2"
packages_format="clang-format-14"
packages_browser="chromium nodejs"  # for the test of the page of gadolin serve alone, which is skipped without them
packages_reference="doxygen"
packages_clang="clang-14 libclang-rt-14-dev libomp-14-dev"

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { local code=$1; shift; say "$*"; exit "$code"; }

is_installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

# need_packages LIST...: each LIST is build, tests, browser, clang, format or reference. Asks for nothing when all of it is there.
need_packages() {
  local list package missing=""
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian or Ubuntu system: taking for granted that these exist: $(wanted_packages "$@")"
    return 0
  fi
  for package in $(wanted_packages "$@"); do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  local sudo=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die 1 "missing packages and neither root nor sudo to install them; as root: apt-get install$missing"
    sudo=sudo
  fi
  say "installing with apt-get:$missing"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2 && return 0
  say "trying again after apt-get update"
  $sudo apt-get update >&2 || true
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2 ||
    die 1 "apt-get could not install:$missing"
}

wanted_packages() {
  local list
  for list in "$@"; do
    case "$list" in
      build) echo $packages_build ;;
      tests) echo $packages_tests ;;
      browser) echo $packages_browser ;;
      clang) echo $packages_clang ;;
      format) echo $packages_format ;;
      reference) echo $packages_reference ;;
      *) die 2 "packages.sh knows build, tests, browser, clang, format and reference, not $list" ;;
    esac
  done
}

# Where a CUDA compiler may be: prints its path, fails without one.
find_nvcc() {
  local candidate
  for candidate in "$(command -v nvcc || true)" "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc"; do
    [ -n "$candidate" ] && [ -x "$candidate" ] && { echo "$candidate"; return 0; }
  done
  return 1
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# configure FOLDER OPTION...: Ninja, Release and several sources at once; a compiler cache only where one is installed.
configure() {
  local folder=$1; shift
  local cache=""
  command -v ccache >/dev/null && cache="-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache"
  cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGADOLIN_UNITY=ON $cache "$@"
}

# Processors for compiling, but never more than memory allows (a compiler takes up to 1.5 GiB here).
build_jobs() {
  local cores memory
  cores=$(nproc 2>/dev/null || echo 2)
  memory=$(awk '/MemAvailable/ { print int($2 / 1572864) }' /proc/meminfo 2>/dev/null || echo "$cores")
  [ "${memory:-0}" -ge 1 ] || memory=1
  [ "$cores" -le "$memory" ] && echo "$cores" || echo "$memory"
}
