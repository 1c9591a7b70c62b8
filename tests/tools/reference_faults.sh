#!/bin/bash
# tools/reference.sh --check in a small tree: every form of a comment counts, and what has none is named.
#   reference_faults.sh ROOT
set -euo pipefail
root=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{gadolin,tensor,tools,docs}
cp "$root/tools/reference.sh" "$root/tools/packages.sh" "$tree/tools"
cp -r "$root/docs/reference" "$tree/docs"
cp "$root/CMakeLists.txt" "$tree"
printf '// All of it.\n#pragma once\n\n#include "tensor/forms.h"\n' > "$tree/gadolin/gadolin.h"
cat > "$tree/tensor/forms.h" <<'HEADER'
// Forms of comments: a < b, `code` and @ are plain text.
#pragma once

namespace gadolin {

// Above.
struct Above {
  int behind = 0;          // behind
  int several = 0, names;  // all of them, in
                           // two lines
  bool operator==(const Above&) const = default;
  int forgotten = 0;
};

struct Forgotten;

// --- a heading -----------------------------------------------------------------------------------
// Of all that follow:
int first(int x);
int second(int x, int more,
           int on_another_line);
int own(int x);  // its own

int after_a_blank_line(int x);
// Of the next alone.
int next(int x);
int behind_the_next(int x);

namespace detail {
int ours(int x);
}

}  // namespace gadolin
HEADER
said=$(bash "$tree/tools/reference.sh" --check 2>&1) && { echo "nothing was found"; exit 1; }
wanted="tensor/forms.h:12: warning: Member forgotten (variable) of struct gadolin::Above is not documented.
tensor/forms.h:24: warning: Member after_a_blank_line(int x) (function) of namespace gadolin is not documented.
tensor/forms.h:27: warning: Member behind_the_next(int x) (function) of namespace gadolin is not documented.
reference.sh: 3 things to say of the comments of public headers; CONTRIBUTING.md shows how they are written"
if [ "$said" != "$wanted" ]; then
  diff <(echo "$wanted") <(echo "$said")
  exit 1
fi
