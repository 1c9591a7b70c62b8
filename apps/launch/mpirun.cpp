#include "apps/launch/mpirun.h"

#include <regex>

#include "tensor/check.h"

namespace gadolin {

std::vector<std::string> mpirun_words(const MpirunOptions& o) {
  std::vector<std::string> words{o.mpirun, "-n", std::to_string(o.processes)};
  const std::string patience = "GADOLIN_PATIENCE=" + cat(o.patience);
  if (!o.open_mpi) {
    if (!o.hosts.empty()) words.insert(words.end(), {"-f", o.hosts});
    words.insert(words.end(), {"-bind-to", "none", "-genv", "GADOLIN_PATIENCE", cat(o.patience)});
    return words;
  }
  if (!o.hosts.empty()) words.insert(words.end(), {"--hostfile", o.hosts});
  if (o.root) words.push_back("--allow-run-as-root");
  // Of itself Open MPI binds a process with all of its threads to one core, and refuses more processes than
  // cores.
  for (const char* word : {"--oversubscribe", "--bind-to", "none", "-x"}) words.push_back(word);
  words.push_back(patience);
  return words;
}

std::string MpirunWords::of_others(const std::string& line) {
  static const std::regex dashes("-{60,}\n?"), noticed(
                                                   "(?:mpirun|prterun) noticed that process rank ([0-9]+) "
                                                   "with PID [0-9]+ on node (\\S+) exited on signal "
                                                   "([0-9]+) \\(([^)]*)\\)");
  if (std::regex_match(line, dashes)) {
    inside_ = !inside_;
    box_ += line;
    if (inside_) return "";
    std::string joined = box_;
    for (char& c : joined)
      if (c == '\n') c = ' ';
    std::smatch found;
    const bool killed = std::regex_search(joined, found, noticed);
    if (killed)
      killed_ = "rank " + found[1].str() + " was ended by signal " + found[3].str() + " (" + found[4].str() +
                ") on " + found[2].str();
    // "Primary job terminated normally, but ..." repeats what the processes have said themselves.
    const bool known = killed || joined.find("a non-zero exit code") != std::string::npos ||
                       joined.find("exited improperly") != std::string::npos ||
                       joined.find("job to be terminated") != std::string::npos;
    std::string shown = known ? "" : box_;
    box_.clear();
    return shown;
  }
  if (!inside_) return line;
  box_ += line;
  return "";
}

std::string MpirunWords::rest() {
  inside_ = false;
  return std::move(box_);
}

}  // namespace gadolin
