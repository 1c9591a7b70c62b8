#include "apps/program/command.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "apps/program/command_words.h"
#include "apps/program/config_file.h"
#include "apps/program/events.h"
#include "apps/program/help.h"
#include "apps/program/ranges.h"
#include "apps/program/version.h"
#include "layers/cudnn_plans.h"
#include "layers/winograd.h"
#include "tensor/check.h"
#include "tensor/cpu/parallel.h"

namespace gadolin {
namespace {

// Where a command stands in `gadolin --help`; docs/commands.md has the same sections.
const char* section_of(const std::string& command) {
  const std::map<std::string, const char*> sections{{"doctor", "Look"},
                                                    {"models", "Look"},
                                                    {"summary", "Look"},
                                                    {"data", "Prepare data"},
                                                    {"dicom", "Prepare data"},
                                                    {"bodypart", "A classifier of body parts"},
                                                    {"mammography", "A detector for mammograms"},
                                                    {"import", "Weights"},
                                                    {"export", "Weights"},
                                                    {"verify", "Weights"},
                                                    {"bench", "Measure"}};
  const auto found = sections.find(command);
  return found == sections.end() ? "Train, evaluate, predict" : found->second;
}

// Of "optimizer: adamm is unknown", or "there is no step 'rezise'", and "use adam, adamw or sgd": the word
// that may have been meant, in front of the others. Words of less than four letters are near to everything.
std::string with_suggestion(const std::string& message, const std::string& hint) {
  std::string said = message;
  for (const char* end : {" is unknown", " is not known", " cannot be trained", " has no curve"})
    if (said.ends_with(end)) said.resize(said.size() - std::string_view(end).size());
  if ((said == message && !said.ends_with('\'')) || hint.starts_with("did you mean")) return hint;
  std::string word = said.substr(said.rfind(' ') + 1);
  std::erase(word, '\'');
  word.resize(std::min(word.find(':'), word.size()));
  std::vector<std::string> words;
  std::string all = hint;
  for (const char* begin : {"use ", "known are ", "there are "})
    if (all.starts_with(begin)) all.erase(0, std::string_view(begin).size());
  for (std::size_t at; (at = all.find(" or ")) != std::string::npos;) all.replace(at, 4, ", ");
  std::istringstream parts(all);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::string one(trimmed(part));
    if (one.find_first_of(" ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos) words.push_back(one);
  }
  const std::string near = word.size() < 4 ? "" : nearest(word, words);
  return near.empty() || near == word ? hint : "did you mean " + near + "? " + hint;
}

// A number or a switch as it is, another text in quotes.
std::string toml_value(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return text;
  if (text == "true" || text == "false") return text;
  const char quote = text.find('"') == std::string::npos ? '"' : '\'';
  return quote + text + quote;
}

std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace

double seconds_now() {
  using namespace std::chrono;
  static const auto start = steady_clock::now();
  return duration<double>(steady_clock::now() - start).count();
}

Shape parse_input(const std::string& text) {
  int c = 0, h = 0, w = 0;
  char rest = 0;
  require<UsageError>(
      std::sscanf(text.c_str(), "%dx%dx%d%c", &c, &h, &w, &rest) == 3 && c > 0 && h > 0 && w > 0, "--input ",
      text, ": channels, height and width are needed, like 3x224x224");
  return {c, h, w};
}

// --- session -----------------------------------------------------------------------------------------------

Session::Session(std::string command, const Common& common) : command_(std::move(command)), common_(common) {
  if (common.device == "auto") {
    device_ = cuda_available() ? gpu_of_process() : cpu;
  } else if (common.device == "cpu") {
    device_ = cpu;
  } else {
    int index = common.device == "cuda" ? gpu_of_process().index : -1;
    if (common.device.starts_with("cuda:")) {
      const char *begin = common.device.data() + 5, *end = common.device.data() + common.device.size();
      if (std::from_chars(begin, end, index).ptr != end || begin == end) index = -1;
    }
    require<UsageError>(index >= 0, "--device ", common.device, " is unknown; use auto, cpu, cuda or cuda:N");
    require<DeviceError>(index < cuda_device_count(), "--device ", common.device, ": there are ",
                         cuda_device_count(), " CUDA devices; run gadolin doctor, or use --device cpu");
    device_ = Device{Device::Kind::cuda, index};
  }
  if (common.dtype == "bf16")
    compute_ = DType::bf16;
  else if (common.dtype == "fp16")
    compute_ = DType::fp16;
  else if (common.dtype == "fp64")
    compute_ = DType::fp64;
  else if (common.dtype == "tf32")
    tf32_ = true;
  else
    require<UsageError>(common.dtype == "fp32", "--dtype ", common.dtype,
                        " is unknown; use fp32, tf32, bf16, fp16 or fp64");
  require<UsageError>(common.backend == "best" || common.backend == "reference", "--backend ", common.backend,
                      " is unknown; use best or reference");
  set_backend(common.backend == "reference" ? Backend::reference : Backend::best);
  const std::map<std::string, int> tiles{{"exact", 0}, {"default", 4}, {"fast", 4}};
  const auto math = tiles.find(common.math);
  require<UsageError>(math != tiles.end(), "--math ", common.math, " is unknown; use exact, default or fast");
  detail::set_largest_tile(math->second);
  require<UsageError>(common.tune == "on" || common.tune == "off", "--tune ", common.tune,
                      " is unknown; use on or off");
#ifdef GADOLIN_CUDA
  set_convolution_tuning(common.tune == "on");
#endif
  if (common.threads > 0) set_num_threads(common.threads);
  share_threads(*this);
}

void Session::say(const std::string& line) const {
  if (!common_.json && !common_.quiet && communicator().first())
    std::cout << line << (line.ends_with('\n') ? "" : "\n") << std::flush;
}
void Session::log(const std::string& line) const {
  if (!common_.quiet && communicator().first()) std::cerr << line << "\n";
}
void Session::event(const Json& event) const {
  if (communicator().first()) emit_event(event, common_.json);
}
Json Session::done(double seconds) const {
  return {{"event", "done"},    {"command", command_}, {"ok", true},
          {"seconds", seconds}, {"metrics", metrics_}, {"outputs", outputs_}};
}

// --- program -----------------------------------------------------------------------------------------------

Program::Program()
    : app_("Gadolin: deep learning for medical images. Research and teaching software, no medical device.",
           "gadolin") {
  app_.formatter(std::make_shared<HelpFormatter>());
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.set_help_all_flag("--help-all", "Help of every command");
  app_.set_version_flag("--version", "gadolin " + program_version());
  app_.set_config("--config", "", "Read options from a TOML file; the command line wins");
  app_.config_formatter(std::make_shared<ConfigFile>(app_));
  app_.add_option("--device", common_.device, "auto, cpu or cuda[:N]")->capture_default_str();
  app_.add_option("--dtype", common_.dtype, "Compute in fp32, tf32, bf16 or fp16")->capture_default_str();
  app_.add_option("--seed", common_.seed, "Seed of every random choice")
      ->check(seed_number())
      ->capture_default_str();
  app_.add_option("--threads", common_.threads, "CPU threads; 0: all")
      ->check(between(0, 1024, "0 takes all processors"))
      ->capture_default_str();
  app_.add_option("--backend", common_.backend, "CPU kernels: best or reference (plain loops)")
      ->capture_default_str();
  app_.add_option("--math", common_.math,
                  "3x3 convolutions of the CPU: exact (sums of products), default (also by Winograd's "
                  "algorithm, while logits stay within 1e-5) or fast (whatever is quickest)")
      ->capture_default_str();
  app_.add_option(
          "--tune", common_.tune,
          "On a GPU, time the engines of a convolution when it is first met and keep the choice: on or off")
      ->capture_default_str();
  app_.add_flag("--json", common_.json, "One JSON object a line on stdout");
  app_.add_flag("--quiet", common_.quiet, "No progress and no log");
  app_.add_flag("--verbose", common_.verbose, "Say more");
}

CLI::App* Program::add_to(CLI::App& parent, const std::string& path, const std::string& about, Run run,
                          const std::string& example) {
  const std::string name = path.substr(path.rfind(' ') + 1);
  CLI::App* app = parent.add_subcommand(name, about);
  app->footer((example.empty() ? "" : "Example:\n" + example_lines(example) + "\n\n") +
              "Options of every command:\n" + option_lines(app_));
  if (&parent == &app_) app->group(section_of(name));
  entries_.push_back({app, path, std::move(run)});
  return app;
}
CLI::App* Program::add(const std::string& name, const std::string& about, Run run,
                       const std::string& example) {
  return add_to(app_, name, about, std::move(run), example);
}
CLI::App* Program::group(const std::string& name, const std::string& about) {
  CLI::App* app = app_.add_subcommand(name, about);
  app->require_subcommand(1);
  app->group(section_of(name));
  return app;
}
CLI::App* Program::add(CLI::App* group, const std::string& name, const std::string& about, Run run,
                       const std::string& example) {
  std::string path = name;
  for (const CLI::App* a = group; a != &app_; a = a->get_parent()) path = a->get_name() + " " + path;
  return add_to(*group, path, about, std::move(run), example);
}

// CLI11 writes the options of every command; those of others would be noise, and an empty text would come
// back as a value.
std::string Program::effective_config(const Settled& settled) const {
  std::string parsed;
  const CLI::App* command = &app_;
  for (const Entry& entry : entries_) {
    if (!entry.app->parsed()) continue;
    parsed = entry.name + ".";
    command = entry.app;
  }
  std::replace(parsed.begin(), parsed.end(), ' ', '.');
  std::string kept;
  std::istringstream lines(app_.config_to_str(true, false));
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find('='));
    const bool common = name.find('.') == std::string::npos, own = name.starts_with(parsed);
    if ((common || own) && !line.empty() && !line.ends_with("=\"\"") && !line.ends_with("=[]") &&
        !settled.contains(common ? name : name.substr(parsed.size())))
      kept += line + "\n";
  }
  for (const auto& [name, value] : settled) {
    const bool common = app_.get_option_no_throw("--" + name) != nullptr;
    if (!value.empty() && (common || command->get_option_no_throw("--" + name) != nullptr))
      kept += (common ? "" : parsed) + name + "=" + toml_value(value) + "\n";
  }
  return kept;
}

namespace {

int tell_error(const Common& common, const std::string& code, const std::string& message,
               const std::string& hint, Exit exit) {
  if (!leave_processes(hint.empty() ? message : message + "; " + hint)) return static_cast<int>(exit);
  emit_event(Json{{"event", "error"}, {"code", code}, {"message", message}, {"hint", hint}}, common.json);
  const int rank = processes().rank();
  std::cerr << "gadolin: " << (rank > 0 ? cat("rank ", rank, ": ") : "") << message
            << (hint.empty() ? "" : "; " + hint) << " [" << code << "]\n";
  return static_cast<int>(exit);
}

}  // namespace

namespace {
bool has_range(const CLI::Option& option) {
  try {
    return const_cast<CLI::Option&>(option).get_validator() != nullptr;
  } catch (const CLI::OptionNotFound&) {
    return false;
  }
}

// An option given twice: the last one counts, so that a script's defaults can be overridden at its end.
void last_one_counts(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    // Without a range of its own: what CLI11 would cut to the largest number is refused.
    if (option->get_type_name() == "INT" && !has_range(*option))
      option->check(between(-1'000'000'000, 1'000'000'000));
    if (option->get_items_expected_max() == 1) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  for (CLI::App* sub : app.get_subcommands({})) last_one_counts(*sub);
}
}  // namespace

int Program::main(int argc, char** argv) {
  const int code = parse_and_run(argc, argv);
  if (std::cout.flush().good() || code != 0) return code;
  return tell_error(common_, "GD-FILE-001",
                    "standard output cannot be written: what was printed is not complete",
                    "free some room there, or print to another place", Exit::file);
}

void Program::parse(int argc, char** argv) {
  if (argc > 1 && (std::string(argv[1]) == "launch" || std::string(argv[1]) == "grade")) {
    const auto dashes = std::find(argv, argv + argc, std::string("--"));
    if (dashes != argv + argc) behind_dashes_.assign(dashes + 1, argv + argc);
    argc = static_cast<int>(dashes - argv);
  }
  try {
    std::vector<std::string> args = normalised(app_, argc, argv);
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app_.parse(args);
  } catch (const CLI::Success&) {  // --help, --help-all, --version
    std::string message, hint;
    name_command(app_, argc, argv, message, hint);  // `gadolin help trian`
    if (message.empty()) throw;
    throw UsageError(1, Message(message + "; " + hint, message.size()));
  } catch (const CLI::ParseError& error) {
    std::string hint = "run gadolin --help", path = "gadolin";
    const CLI::App* where = &app_;
    for (const Entry& entry : entries_) {
      if (!entry.app->parsed()) continue;
      where = entry.app;
      path = "gadolin " + entry.name;
    }
    std::string message = error.what();
    if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) {  // "--top: 0 is not in 1..9; the way"
      message.erase(std::min(message.find(": "), message.size() - 1), 1);
      const std::size_t way = message.find("; ");
      hint = way == std::string::npos ? "" : message.substr(way + 2);
      message.resize(std::min(way, message.size()));
      hint = with_suggestion(message, hint);
    }
    for (int i = 1; i < argc; ++i) {
      const std::string arg = dashes(std::string(argv[i]).substr(0, std::string(argv[i]).find('=')));
      std::vector<std::string> known = option_names(where), common = option_names(&app_);
      known.insert(known.end(), common.begin(), common.end());
      if (arg.rfind("--", 0) == 0 && std::find(known.begin(), known.end(), arg) == known.end()) {
        const std::string near = nearest(arg, known);
        message = "unknown option " + arg;
        hint = near.empty() ? "run " + path + " --help" : "did you mean " + near + "?";
        break;
      }
    }
    name_command(app_, argc, argv, message, hint);
    throw UsageError(1, hint.empty() ? Message(message, std::string::npos)
                                     : Message(message + "; " + hint, message.size()));
  }
}

const Program::Entry* Program::chosen() const {
  for (const Entry& entry : entries_)
    if (entry.app->parsed() && entry.app->get_subcommands().empty())
      return &entry;  // of `data synth bodypart` the last one
  return nullptr;
}

Program::Request Program::request_of(const std::vector<std::string>& args) {
  struct Restore {  // these stay those of the command that asks
    Common& common;
    Common kept;
    ~Restore() { common = kept; }
  } restore{common_, common_};
  std::vector<std::string> held{"gadolin"};
  held.insert(held.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& arg : held) argv.push_back(arg.data());
  try {
    parse(static_cast<int>(argv.size()), argv.data());
  } catch (const CLI::Success&) {
    fail<UsageError>("--help and --version ask for no work; leave them out");
  }
  return {chosen() == nullptr ? "" : chosen()->name, effective_config()};
}

int Program::parse_and_run(int argc, char** argv) {
  last_one_counts(app_);
  seconds_now();
  for (int i = 1; i < argc; ++i) common_.json = common_.json || std::string(argv[i]) == "--json";
  try {
    parse(argc, argv);
    const Entry* entry = chosen();
    if (entry == nullptr) return 0;
    join_processes_for(entry->name);
    Session session(entry->name, common_);
    require_same(
        session.communicator(), "options",
        cat("gadolin ", program_version(), " ", program_commit(), " ", entry->name, "\n", effective_config()),
        "start all of them with one command");
    compute_on(session.device());
    entry->run(session);
    if (!session.code()) session.event(session.done(seconds_now()));
    leave_processes("");
    return session.code().value_or(0);
  } catch (const CLI::Success& help) {
    return app_.exit(help);
  } catch (const Error& error) {
    return tell_error(common_, error.code(), error.message(), with_suggestion(error.message(), error.hint()),
                      error.exit_code());
  } catch (const std::bad_alloc&) {
    return tell_error(common_, "GD-MEMORY-002", "out of host memory", "use a smaller batch or fewer workers",
                      Exit::out_of_memory);
  } catch (const std::exception& error) {
    return tell_error(common_, "GD-INTERNAL-001", error.what(), "this is a bug in Gadolin; please report it",
                      Exit::failure);
  }
}

}  // namespace gadolin
