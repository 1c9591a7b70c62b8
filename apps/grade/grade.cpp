// gadolin grade: starts gadolin-grade, the grader of the course, which is a program of its own.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "apps/commands.h"
#include "apps/program/output.h"
#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

namespace fs = std::filesystem;

// Beside this program, or where a build puts it: BUILD/apps/gadolin and BUILD/course/gadolin-grade.
fs::path grader() {
  const fs::path self = fs::canonical("/proc/self/exe"), beside = self.parent_path() / "gadolin-grade",
                 built = self.parent_path().parent_path() / "course/gadolin-grade";
  for (const fs::path& file : {beside, built})
    if (::access(file.c_str(), X_OK) == 0) return file;
  fail<FileError>("grade: neither ", printable(beside.string()), " nor ", printable(built.string()),
                  " is there; run course/setup.sh");
}

void grade(Session& session, const std::vector<std::string>& words) {
  const std::string program = grader().string();
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  require<ProcessError>(::posix_spawn(&child, program.c_str(), nullptr, nullptr, argv.data(), environ) == 0,
                        "grade: ", printable(program), " cannot be started; run course/setup.sh");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  session.ends_with(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace

void add_grade(Program& program) {
  program.add(
      "grade", "The course: gadolin-grade with the words behind --",
      [&program](Session& s) { grade(s, program.behind_dashes()); }, "gadolin grade -- questions 1");
}

}  // namespace gadolin
