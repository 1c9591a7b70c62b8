#!/bin/bash
# Trains a ResNet-18 from random weights to tell AP from PA on the 711 real chest films in examples/data, evaluates it on
# held-back patients and writes an HTML report.
#   tools/demo.sh              installs what is missing, configures, builds, trains (9 epochs at 96 pixels), evaluates
#   tools/demo.sh --fresh      forgets an earlier demo run first; without it an interrupted run goes on where it stopped
#   tools/demo.sh --out DIR    where the run goes (default runs/demo)
#   tools/demo.sh -- OPTION... options of `gadolin train` to add or override, for example -- --epochs 2
# Needs no GPU; uses one, and compiles the CUDA side, where a toolkit and a GPU are there.
# Two processors: three to eight minutes with the build, one to three without.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/packages.sh"

out=$root/runs/demo
fresh=0
while [ $# -gt 0 ]; do
  case "$1" in
    --help|-h) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --fresh) fresh=1 ;;
    --out) [ $# -ge 2 ] || die 2 "--out needs a folder"; out=$(realpath -m "$2"); shift ;;
    --) shift; break ;;
    *) die 2 "unknown option $1; see tools/demo.sh --help" ;;
  esac
  shift
done

need_packages build
cuda=OFF
if find_nvcc >/dev/null && has_gpu; then cuda=AUTO; fi
build=$root/build/demo
if [ ! -f "$build/build.ninja" ]; then
  say "configuring in build/demo"
  configure "$build" -DGADOLIN_TESTS=OFF -DGADOLIN_CUDA=$cuda
fi
say "building the gadolin program in build/demo"
cmake --build "$build" -j "$(build_jobs)" --target gadolin_program
# A link that a user finds without knowing how the build is laid out.
gadolin=$root/bin/gadolin
mkdir -p "$root/bin"
ln -sfn ../build/demo/apps/gadolin "$gadolin"

cd "$root"
[ $fresh = 0 ] || rm -rf "$out"
data=examples/data/cxr-nih14-small/view.csv
"$gadolin" train "$data" --model resnet18 --input-size 96 --epochs 9 --shares 0.65/0.1/0.25 --augment light --out "$out" --resume auto "$@"
"$gadolin" eval "$out/split.csv" --checkpoint "$out/checkpoints/last.gdck" --split test --out "$out"
say "the program is $gadolin; to call it as gadolin in this shell: export PATH=\"$root/bin:\$PATH\""
