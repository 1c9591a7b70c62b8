// Runs the commands of a page of docs/ as a reader does: by a shell, in a folder of their own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/scratch.h"

namespace gadolin::test {

struct PageBlock {
  std::string kind;  // what stands behind ```: "", "sh", "json" ...
  std::string text;
};

// What stands between ``` and ``` on docs/NAME, in its order.
std::vector<PageBlock> blocks_of(const std::string& name);

// Runs a script in the folder, in which `gadolin` is this build; what it printed when it fails, else "".
std::string shell(const Scratch& dir, const std::string& script);

// All blocks of docs/NAME as one script. Each of `commands` ("nodule import") must be among them. `smaller`
// are pairs of a regular expression and its replacement, each of which must be found: they make the page's
// nets and data small enough for a test.
std::string run_page(const Scratch& dir, const std::string& name, const std::vector<std::string>& commands,
                     const std::vector<std::pair<std::string, std::string>>& smaller = {});

}  // namespace gadolin::test
