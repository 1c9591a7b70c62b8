#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "apps/launch/mpirun.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "tests/processes/ranks.h"

namespace gadolin::test {

std::map<std::string, Scenario>& scenarios() {
  static std::map<std::string, Scenario> all;
  return all;
}

RanksOutcome run_ranks(int size, const std::string& scenario, const std::vector<std::string>& args,
                       const std::vector<std::string>& environment) {
  std::vector<std::string> words{"env", "OMP_WAIT_POLICY=passive", "OMP_NUM_THREADS=1",
                                 "ASAN_OPTIONS=detect_leaks=0"};
  words.insert(words.end(), environment.begin(), environment.end());
  MpirunOptions options;
  options.processes = size;
  options.root = true;
  for (const std::string& word : mpirun_words(options)) words.push_back(word);
  words.push_back(std::filesystem::canonical("/proc/self/exe").string());
  words.push_back(scenario);
  words.insert(words.end(), args.begin(), args.end());
  std::string line;
  for (const std::string& word : words) line += "'" + word + "' ";
  RanksOutcome outcome;
  FILE* const out = ::popen((line + "2>&1").c_str(), "r");
  char text[4096];
  while (const std::size_t n = std::fread(text, 1, sizeof text, out)) outcome.text.append(text, n);
  const int status = ::pclose(out);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

namespace {

int be_a_rank(int argc, char** argv) {
  const char* const patience = std::getenv("PATIENCE");
  const auto all = join_processes({.patience = patience ? std::atof(patience) : 60});
  set_num_threads(1);
  std::string failure;
  try {
    scenarios().at(argv[1])(*all, {argv + 2, argv + argc});
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (all->leave(failure) && !failure.empty())
    std::cerr << "said by rank " << all->rank() << ": " << failure << std::endl;
  return failure.empty() && !testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed() ? 0 : 1;
}

}  // namespace
}  // namespace gadolin::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc > 1 && gadolin::test::scenarios().contains(argv[1])) return gadolin::test::be_a_rank(argc, argv);
  return RUN_ALL_TESTS();
}
