// The probe: holds the student's bodies, answers requests on descriptor 3 by frames on descriptor 4, and
// knows nothing of what is wanted. With --demo FOLDER it runs the demonstration for people instead.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>

#include "course/grader/assignment.h"
#include "course/grader/frames.h"

namespace gadolin::course {
namespace {

bool whole(bool write, int fd, void* bytes, std::size_t count) {
  auto* at = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t done = write ? ::write(fd, at, count) : ::read(fd, at, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    count -= static_cast<std::size_t>(done);
  }
  return true;
}

template <class F> Values answered(const F& answer) {
  try {
    return answer();
  } catch (const std::exception& error) {
    return {{"error", std::string(error.what())}};
  } catch (...) {
    return {{"error", std::string("something that is no std::exception was thrown")}};
  }
}

FrameHeader header;  // of the request that is being answered

bool send(std::uint64_t kind, const Values& answer) {
  std::string bytes = to_bytes(answer);
  header.length = bytes.size();
  header.kind = kind;
  return whole(true, 4, &header, sizeof header) && whole(true, 4, bytes.data(), bytes.size());
}

// An exception that leaves a parallel loop ends a program: what it says is the answer, and the last one.
[[noreturn]] void answer_and_end() {
  static std::atomic_flag begun;
  while (begun.test_and_set()) ::pause();  // another thread of the loop
  const std::exception_ptr thrown = std::current_exception();
  if (!thrown && std::uncaught_exceptions() == 0) std::abort();
  const Values answer = answered([&]() -> Values {
    if (thrown) std::rethrow_exception(thrown);
    throw std::runtime_error(
        "an exception left a parallel loop, which ends the program");  // g++ 12 forgets which
  });
  if (header.length > 0) ::_exit(send(3, answer) ? 0 : 4);
  std::fprintf(stderr, "%s\n", text(answer, "error").c_str());
  ::_exit(1);
}

int serve() {
  while (whole(false, 3, &header, sizeof header)) {
    if (header.length > largest_frame) return 3;
    std::string payload(static_cast<std::size_t>(header.length), '\0');
    if (!whole(false, 3, payload.data(), payload.size())) return 3;
    if (!send(2, answered([&] { return GADOLIN_COURSE_ANSWER(from_bytes(payload)); }))) return 4;
  }
  return 0;
}

}  // namespace

int probe_main(int argc, char** argv) {
  std::set_terminate(answer_and_end);
  if (argc < 2 || std::strcmp(argv[1], "--demo") != 0) return serve();
  Values request{{"op", std::string("demo")}};
  if (argc > 2) request["folder"] = std::string(argv[2]);
  const Values answer = answered([&] { return GADOLIN_COURSE_ANSWER(request); });
  for (const auto& [name, value] : answer) std::printf("%s: %s\n", name.c_str(), to_string(value).c_str());
  return answer.contains("error") ? 1 : 0;
}

}  // namespace gadolin::course

int main(int argc, char** argv) { return gadolin::course::probe_main(argc, argv); }
