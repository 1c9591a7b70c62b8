#pragma once
#include <string>

namespace gadolin {

// The version of the program, and the commit that it was configured from; "unknown" for sources without git.
std::string program_version();
std::string program_commit();

}  // namespace gadolin
