// What was built: apart from the rest, so that a new commit compiles this file alone.
#include "apps/program/version.h"

#ifndef GADOLIN_COMMIT
#define GADOLIN_COMMIT "unknown"
#endif

namespace gadolin {

std::string program_version() { return GADOLIN_VERSION; }
std::string program_commit() { return GADOLIN_COMMIT; }

}  // namespace gadolin
