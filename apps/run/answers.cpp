#include "apps/run/answers.h"

#include "tasks/input_warnings.h"
#include "tensor/check.h"

namespace gadolin {

Answers answer_each(Session& session, Judges& judges, const std::string& checkpoint, const Dataset& set,
                    int most, const std::function<void(std::int64_t i, const Outputs&, const Said&)>& each) {
  const InputWatch watch(checkpoint);
  const bool watches = watch.trained().pictures > 0 || !watch.trained().views.empty();
  const Task& task = judges.task();
  Answers answers{set.size(), 0, ""};
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const std::string& file = set.info(i).name;
    try {
      Outputs outputs;
      std::vector<std::string> warnings;
      if (watches) {
        const Batch batch = task.one(set, i, session.device());
        outputs = judges.alone() ? judges.alone()->run(batch) : judges.one(set, i, session.device());
        warnings = watch.warnings(batch, 0, task.pipeline(), view_of(set, i));
      } else {
        outputs = judges.one(set, i, session.device());
      }
      const Said said = task.say(outputs, 0, most);
      each(i, outputs, said);
      Json event{{"event", "prediction"}, {"path", file}};
      event.update(said.event);
      if (!warnings.empty()) event["warnings"] = warnings;
      session.event(event);
      for (const std::string& sentence : warnings) session.log("warning: " + file + ": " + sentence);
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
      ++answers.failed;
      if (answers.first_error.empty()) answers.first_error = error.message();
      session.log(error.what());
      session.event(
          {{"event", "bad_sample"}, {"file", file}, {"code", error.code()}, {"message", error.message()}});
    }
  }
  return answers;
}

void finish_answers(Session& session, const std::string& command, const Answers& answers) {
  session.metric("files", answers.files);
  session.metric("failed", answers.failed);
  require<DataError, 42>(answers.failed == 0, command, ": ", answers.failed, " of ", answers.files,
                         " files could not be read (", answers.first_error, ")");
}

}  // namespace gadolin
