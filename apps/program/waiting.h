// How OpenMP's threads wait for one another.
#pragma once

#include <string>

namespace gadolin {

// For a command that computes with nets, where the user has not said how OpenMP's threads wait: starts the
// program once more with a short GOMP_SPINCOUNT, because libgomp reads its settings before main(). The first
// line of main(). Comes back where there is nothing to do, or where the program cannot find itself.
void settle_waiting(char** argv);

// "GOMP_SPINCOUNT=60000": what decides in this process; empty: libgomp's own choice.
std::string waiting();

}  // namespace gadolin
