#include "apps/program/waiting.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>

namespace gadolin {
namespace {

// Turns of a loop in which a thread looks for work before it sleeps. Beside other jobs that time is taken
// from the threads that still compute; libgomp's own number is five times this one, and no faster on an idle
// machine.
constexpr const char* spin_count = "60000";

constexpr const char* settings[] = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"};

// Beginning anew takes 30 ms, which shows where a script calls `dicom dump` a thousand times.
bool computes(char** argv) {
  const std::set<std::string_view> commands{"train",  "lr-find", "eval",     "predict", "cam",
                                            "verify", "bench",   "bodypart", "doctor"};
  for (; *argv != nullptr; ++argv)
    if (commands.contains(*argv)) return true;
  return false;
}

}  // namespace

void settle_waiting(char** argv) {
  if (!computes(argv) || !waiting().empty() || ::setenv(settings[0], spin_count, 1) != 0) return;
  // Its own path and not the link, so that `ps` and `killall` know the program by its name.
  std::error_code error;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (!error) ::execv(self.c_str(), argv);
  ::unsetenv(settings[0]);  // it goes on as it is, and says so in `doctor`
}

std::string waiting() {
  for (const char* name : settings)
    if (const char* value = std::getenv(name)) return std::string(name) + "=" + value;
  return "";
}

}  // namespace gadolin
