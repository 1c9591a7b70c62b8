#!/bin/sh
# Makes the two manifests of examples/data/cxr-nih14-small from the official rows in Data_Entry_subset.csv:
# view.csv (AP or PA) and findings.csv (several findings a film, joined by "|"; none: an empty field).
#   tools/make-cxr-manifest.sh [--check] [FOLDER]
# --check writes nothing and fails when the committed manifests are not what the rows give.
set -eu
check=0
case "${1:-}" in
  --help|-h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  --check) check=1; shift ;;
esac
folder=${1:-$(cd "$(dirname "$0")/.." && pwd)/examples/data/cxr-nih14-small}
table=$folder/Data_Entry_subset.csv
[ -f "$table" ] || { echo "make-cxr-manifest: $table does not exist; name the folder that holds it" >&2; exit 3; }

# Columns of the official table: 1 Image Index, 2 Finding Labels, 4 Patient ID, 7 View Position. No field is quoted.
make_manifest() {
  awk -F, -v kind="$1" '
    NR == 1 { print "path,patient,labels,split"; next }
    NF != 11 { printf "make-cxr-manifest: line %d has %d fields, not 11\n", NR, NF > "/dev/stderr"; exit 3 }
    {
      path = $1; sub(/\.png$/, ".jpg", path)
      label = kind == "view" ? $7 : $2
      if (label == "No Finding") label = ""
      printf "images/%s,%s,%s,\n", path, $4, label
    }' "$table"
}

for kind in view findings; do
  new=$(mktemp)
  trap 'rm -f "$new"' EXIT
  make_manifest "$kind" > "$new"
  if [ $check = 1 ]; then
    cmp "$new" "$folder/$kind.csv" || { echo "make-cxr-manifest: $kind.csv is not what the rows give; run it without --check" >&2; exit 3; }
  else
    cat "$new" > "$folder/$kind.csv"
    echo "$folder/$kind.csv: $(($(wc -l < "$new") - 1)) films"
  fi
  rm -f "$new"
done
