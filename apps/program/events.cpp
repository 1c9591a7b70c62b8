#include "apps/program/events.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "tensor/check.h"

namespace gadolin {
namespace {

// Where `gadolin pipeline` reads the events of a step: the number of a pipe, which is not handed on to what
// this process starts. -1: nobody reads.
int pipe_to_pipeline() {
  static const int pipe = [] {
    const char* text = std::getenv("GADOLIN_EVENTS");
    const int number = text == nullptr ? -1 : std::atoi(text);
    ::unsetenv("GADOLIN_EVENTS");
    return number > STDERR_FILENO && ::fcntl(number, F_SETFD, FD_CLOEXEC) == 0 ? number : -1;
  }();
  return pipe;
}

}  // namespace

void emit_event(const Json& event, bool print) {
  const int pipe = pipe_to_pipeline();
  if (!print && pipe < 0) return;
  const std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (print) std::cout << line << std::flush;
  for (std::size_t done = 0; pipe >= 0 && done < line.size();) {
    const ssize_t n = ::write(pipe, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;  // the pipeline has gone, and takes this process along
    done += static_cast<std::size_t>(n);
  }
}

void throw_error_event(const Json& event, int exit, const std::string& place) {
  static std::string family;  // an Error keeps its address
  const std::string code = event.value("code", ""), message = event.value("message", ""),
                    hint = event.value("hint", "");  // GD-FILE-001
  const std::size_t number = code.rfind('-');
  family = code.substr(0, number).substr(code.find('-') + 1);
  Error error(
      family.c_str(), number == std::string::npos ? 1 : std::atoi(code.c_str() + number + 1),
      static_cast<Exit>(exit),
      hint.empty() ? Message(message, std::string::npos) : Message(message + "; " + hint, message.size()));
  if (!place.empty()) error.add_place(place);
  throw error;
}

}  // namespace gadolin
