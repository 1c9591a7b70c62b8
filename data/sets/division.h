// Which samples a number was measured on: the rule by which a manifest was divided stands in a file beside
// it, and a hash tells whether the set is still divided so.
#pragma once

#include <string>

#include "data/sets/dataset.h"
#include "io/json.h"

namespace gadolin {

// SHA-256 over the names of all samples without folders and endings, each with its split, in the order of
// names: the same for copies of a set in other folders and formats, and for any order of rows.
std::string division_sha256(const Dataset& set);

// manifest.json beside manifest.csv. `path` is a manifest or a folder with manifest.csv.
std::string manifest_facts_path(const std::string& path);

// "division" of that file, when there is one: {"kind", "text", "sha256", ...}, whose text is a sentence for
// people. Where `set`, opened from `path`, has other samples or splits by now, kind is "other" and the text
// says so.
// {} without such a file. Throws FormatError when it is no JSON or holds a division without text or hash.
Json division_of(const std::string& path, const Dataset& set);

// "table" of that file: which version of a published table the set was made of, {"version", "sha256", ...}.
// {} without such a file. Throws FormatError when it is no JSON or holds a table without version or sha256.
Json source_table(const std::string& path);
bool is_table(const Json& json);  // whether it has them

}  // namespace gadolin
