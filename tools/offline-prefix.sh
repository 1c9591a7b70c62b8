#!/bin/bash
# Makes .offline/prefix.tar.xz: the development packages that Gadolin builds on, unpacked and trimmed, for tools/gpu.sh on a machine
# without a network. Run it where apt-get works; carry .offline along with the checkout.
#   tools/offline-prefix.sh [--force]      makes it unless it is there
# Nothing is installed on this machine. The libraries need a C library at least as new as this distribution's.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"
case "${1:-}" in
  --help|-h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  --force) rm -f "$root/.offline/prefix.tar.xz" ;;
  "") ;;
  *) die 2 "unknown option $1; see tools/offline-prefix.sh --help" ;;
esac
archive=$root/.offline/prefix.tar.xz
if [ -f "$archive" ]; then
  say "$archive is there already; --force makes it anew"
  exit 0
fi
command -v apt-get >/dev/null || die 1 "needs apt-get; run it on Debian or Ubuntu"

# What packages.sh names, without compilers and build tools, and the libraries those packages depend on.
wanted=""
for package in $(wanted_packages build tests); do
  case "$package" in g++|cmake|ninja-build|pkg-config|libdcmtk-dev|libcharls-dev|libopenjp2-7-dev|libsoci-dev|mariadb-*|postgresql) continue ;; esac  # DICOM, databases: too many libraries to carry
  wanted="$wanted $package $(apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$package" |
    awk '$1 == "Depends:" && $2 ~ /^lib(dnnl|jpeg|png|protobuf|protoc|pugixml|benchmark)|^zlib1g/ { print $2 }')"
done
# libjpeg-dev only names libjpeg62-turbo-dev, which needs the library in turn; zlib is needed by libpng, the OpenCL loader by oneDNN.
wanted="$wanted libjpeg62-turbo zlib1g ocl-icd-libopencl1"
wanted=$(printf '%s\n' $wanted | sort -u | tr '\n' ' ')
say "downloading:" $wanted

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/debs" "$work/prefix" "$root/.offline"
chmod 777 "$work/debs"
(cd "$work/debs" && apt-get -q download $wanted >&2)
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/prefix"; done

cd "$work/prefix"
# One include folder and one library folder, whatever the multiarch name; the zlib of /lib belongs with the others.
for folder in usr/include/*-linux-gnu; do [ -d "$folder" ] && cp -r "$folder/." usr/include/ && rm -r "$folder"; done
for folder in lib/*-linux-gnu; do [ -d "$folder" ] && mkdir -p "usr/$folder" && cp -a "$folder/." "usr/$folder/"; done
rm -rf lib usr/share usr/src usr/lib/*/cmake/nlohmann* usr/lib/*/libstb*
find usr/lib -name '*.a' ! -name 'libgtest*' ! -name 'libgmock*' ! -name 'libbenchmark*' -delete
# Links that point to absolute names would lead out of the prefix.
find usr -type l | while read -r link; do
  target=$(readlink "$link")
  case "$target" in /*) ln -sf "$(basename "$target")" "$link" ;; esac
done
git -C "$root" rev-parse HEAD > commit 2>/dev/null || echo unknown > commit
tar -cf - commit usr | xz -T0 -3 > "$archive.new"
mv "$archive.new" "$archive"
say "$archive: $(du -h "$archive" | cut -f1), unpacked $(du -sh "$work/prefix" | cut -f1)"
