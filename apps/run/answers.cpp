#include "apps/run/answers.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "apps/run/read_ahead.h"
#include "tasks/input_warnings.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"
#include "train/progress.h"
#include "train/shares.h"

namespace gadolin {

namespace {

// What became of a sample: an answer, or why there is none.
struct Answered {
  std::vector<std::pair<std::string, Tensor>> outputs;
  std::vector<std::string> warnings;
  std::string code, message, what;  // of an error; empty: it was answered
};
template <class A> void pack_fields(A& a, Answered& s) {
  a(s.outputs, s.warnings, s.code, s.message, s.what);
}

// f(); what is wrong with the sample, rather than with the program or the machine, stands in `answered`.
template <class F> void of_sample(Answered& answered, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
    answered.code = error.code();
    answered.message = error.message();
    answered.what = error.what();
  }
}

}  // namespace

Answers answer_each(Session& session, Judges& judges, const std::string& checkpoint, const Dataset& set,
                    int most, const std::function<void(std::int64_t i, const Outputs&, const Said&)>& each) {
  const InputWatch watch(checkpoint);
  const bool watches = watch.trained().pictures > 0 || !watch.trained().views.empty();
  const Task& task = judges.task();
  Answers answers{set.size(), 0, ""};
  Communicator& processes = session.communicator();
  const auto sample = [&](std::int64_t i) { return task.one(set, i, session.device()); };
  std::optional<ReadAhead<Batch>> samples;
  if (judges.alone())
    samples.emplace(ReadAhead<Batch>::Range{.first = processes.rank(),
                                            .step = processes.size(),
                                            .end = set.size(),
                                            .threads = std::clamp(num_threads() / 2, 1, 8)},
                    sample);
  double waited = 0;  // for samples
  const auto answer = [&](std::int64_t i) {
    Answered a;
    of_sample(a, [&] {
      Batch batch;
      if (samples) {
        const auto from = std::chrono::steady_clock::now();
        batch = samples->next();
        waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
      } else if (watches) {
        batch = sample(i);
      }
      a.outputs = (samples ? judges.alone()->run(batch) : judges.one(set, i, session.device())).all();
      if (watches) a.warnings = watch.warnings(batch, 0, task.pipeline(), view_of(set, i));
    });
    return a;
  };
  Progress progress("predicting", set.size(), progress_on_stderr(!session.bars()));
  const auto log = [&](const std::string& line) {
    progress.clear();
    session.log(line);
  };
  in_turns<Answered>(processes, set.size(), answer, [&](std::int64_t i, Answered& a) {
    progress.update(i + 1, waited);
    const std::string& file = set.info(i).name;
    if (a.what.empty())
      of_sample(a, [&] {
        const Outputs outputs(a.outputs);
        const Said said = task.say(outputs, 0, most);
        each(i, outputs, said);
        Json event{{"event", "prediction"}, {"path", file}};
        event.update(said.event);
        if (!a.warnings.empty()) event["warnings"] = a.warnings;
        session.event(event);
        for (const std::string& sentence : a.warnings) log("warning: " + file + ": " + sentence);
      });
    if (a.what.empty()) return;
    ++answers.failed;
    if (answers.first_error.empty()) answers.first_error = a.message;
    log(a.what);
    session.event({{"event", "bad_sample"}, {"file", file}, {"code", a.code}, {"message", a.message}});
  });
  progress.clear();
  return answers;
}

void refuse_pipes(const Session& session, const std::string& command, const std::vector<std::string>& files) {
  if (session.communicator().alone()) return;
  for (const std::string& file : files) {
    std::error_code error;
    const auto type = std::filesystem::status(file, error).type();
    using enum std::filesystem::file_type;
    require<UsageError>(type != fifo && type != character && type != socket, command, ": ", printable(file),
                        " is a pipe, which one process reads; run it without the others, or name a file");
  }
}

void finish_answers(Session& session, const std::string& command, const Answers& answers) {
  session.metric("files", answers.files);
  session.metric("failed", answers.failed);
  require<DataError, 42>(answers.failed == 0, command, ": ", answers.failed, " of ", answers.files,
                         " files could not be read (", answers.first_error, ")");
}

}  // namespace gadolin
