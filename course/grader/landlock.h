// Landlock (kernel 5.13): a process that may read, write and start only what lies below some folders.
#pragma once

#include <filesystem>
#include <vector>

namespace gadolin::course {

int landlock_version();  // 0 where the kernel has none

// A set of rules as a descriptor, to be entered by a child after its fork. -1 without Landlock. Folders that
// do not exist are left out.
int landlock_rules(const std::vector<std::filesystem::path>& reads,
                   const std::vector<std::filesystem::path>& writes,
                   const std::vector<std::filesystem::path>& executes);
// Files may be made, read, written and removed in this folder too. No handler of a library runs.
void landlock_also(int rules, const char* folder);
bool landlock_enter(int rules);  // after no_new_privs

}  // namespace gadolin::course
