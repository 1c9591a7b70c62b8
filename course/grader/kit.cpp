// Compiles one task of one submission, in the sandbox, and links it before the rooms.
#include "course/grader/kit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <iterator>
#include <sstream>

#include "course/grader/sandbox.h"
#include "course/grader/toml.h"
#include "io/sha256.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string>;

// Of processor time, far above what any task takes: a busy machine must not cost points.
constexpr int compile_seconds = 240;

Words words_of(const fs::path& file) {
  std::istringstream in(read_text(file));
  Words words;
  for (std::string line; std::getline(in, line);) words.push_back(line);
  return words;
}

// The compiler's words without its files and without what makes warnings errors. A cache in front goes too.
Words compile_words(const Kit& kit, int number) {
  Words out;
  const Words all = words_of(kit.folder / ("probe_" + std::to_string(number) + ".compile"));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& word = all[i];
    if (out.empty() && fs::path(word).filename() == "ccache") continue;
    if (word == "-o" || word == "-MF" || word == "-MT" || word == "-c") {
      ++i;
    } else if (word != "-MD" && word != "-Werror" && word != "-O0" && !word.starts_with("-DGADOLIN_COURSE")) {
      out.push_back(word);
    }
  }
  return out;
}

Words link_words(const Kit& kit, const std::string& program) {
  Words out;
  const Words all = words_of(kit.folder / (program + ".link"));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] == "-o") {
      ++i;
    } else {
      out.push_back(all[i]);
    }
  }
  return out;
}

std::string state_of(const Words& words) {  // archives change under the same name
  std::string out;
  for (const std::string& word : words) {
    struct stat facts;
    out += word + "\n";
    if (word.size() > 2 && word[0] == '/' && ::stat(word.c_str(), &facts) == 0 && S_ISREG(facts.st_mode))
      out += std::to_string(facts.st_size) + " " + std::to_string(facts.st_mtim.tv_sec) + "." +
             std::to_string(facts.st_mtim.tv_nsec) + "\n";
  }
  return out;
}

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error(file.string() + ": cannot be written");
}

// The first errors of a compiler, for people: at most 15 lines.
std::string first_errors(const std::string& log, const fs::path& folder) {
  std::string plain = log;
  const std::string prefix = folder.string() + "/";
  for (std::size_t at; (at = plain.find(prefix)) != std::string::npos;) plain.erase(at, prefix.size());
  std::istringstream in(plain);
  std::string out;
  int lines = 0;
  for (std::string line; std::getline(in, line) && lines < 15;) {
    if (line.find("error") == std::string::npos && lines == 0) continue;
    out += (lines++ ? "\n" : "") + line;
  }
  return out.empty() ? plain.substr(0, 1500) : out;
}

Policy compiling(const Kit& kit, const fs::path& folder) {
  Policy policy;
  policy.reads = {"/usr",
                  "/lib",
                  "/lib64",
                  "/bin",
                  "/etc/alternatives",
                  "/etc/ld.so.cache",
                  kit.root,
                  kit.folder.parent_path()};
  policy.writes = {folder};
  policy.executes = {"/usr", "/lib", "/lib64", "/bin"};
  policy.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TMPDIR=" + folder.string()};
  policy.folder = folder;
  policy.processes = true;
  policy.cpu_seconds = compile_seconds;
  policy.memory = kit.sanitized ? std::int64_t{3} << 30 : std::int64_t{3} << 29;
  policy.file_size = std::int64_t{256} << 20;
  return policy;
}

void run_tool(const Words& words, const Policy& policy, const char* what) {
  const Run done = run(words, policy, 2 * compile_seconds);
  if (!done.log_full && done.ending.code == 0) return;
  if (done.ending.out_of_time)
    throw CompileError(std::string(what) + ": time limit of " + std::to_string(compile_seconds) + " s");
  const std::string errors = first_errors(done.log, policy.folder);
  throw CompileError(std::string(what) + ": " + (errors.empty() ? done.ending.text() : errors));
}

void check_symbols(const std::vector<std::string>& forbidden, const fs::path& object, const std::string& task,
                   const Policy& policy) {
  if (forbidden.empty()) return;
  const Run names = run({"/usr/bin/nm", "-uC", object.string()}, policy, 20, std::size_t{8} << 20);
  for (const std::string& symbol : forbidden) {
    if (names.log.find(" " + symbol) == std::string::npos) continue;
    throw CompileError("task " + task + ": your code calls " + symbol +
                       (symbol.ends_with("(") ? "...)" : "") +
                       ", which is not yours to use here; write it with loops of your own");
  }
}

std::string which(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  for (const char* folder : {"/usr/local/bin/", "/usr/bin/", "/bin/"})
    if (fs::exists(folder + program)) return folder + program;
  return program;
}

}  // namespace

Kit open_kit(const fs::path& folder) {
  if (!fs::exists(folder / "kit.toml"))
    throw std::runtime_error("kit: " + folder.string() + " holds no kit.toml; build it with course/setup.sh");
  Kit kit;
  kit.folder = fs::canonical(folder);
  const TomlTable table = read_toml(kit.folder / "kit.toml")[0];
  kit.root = table.text("root");
  kit.cuda = table.text("cuda");
  kit.device = table.texts("device");
  kit.sanitized = !table.text("sanitize").empty();
  return kit;
}

namespace {

// A folder that is gone at the end.
struct Making {
  fs::path folder;
  explicit Making(const Kit& kit) {
    static std::atomic<int> count{0};
    folder = kit.folder / "cache" / ("making-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    fs::create_directories(folder);
  }
  ~Making() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

// What was made from the same text before, or what `make` leaves in a folder under `name`.
template <class F>
fs::path kept(const Kit& kit, const std::string& hash, const char* ending, const std::string& name, F make) {
  const fs::path path = kit.folder / "cache" / (hash.substr(0, 32) + ending);
  if (fs::exists(path)) return path;
  const Making making(kit);
  make(making.folder);
  fs::rename(making.folder / name, path);
  return path;
}

fs::path object_of(const Kit& kit, int number, const Words& compile, const std::string& rooms,
                   const Unit& unit, const Sources& texts, const std::vector<std::string>& forbidden,
                   const std::string& task) {
  Words words = compile;
  words.insert(words.end(), {"-w", "-x", "c++"});
  // The lines that a message names are the student's, those beside it would be another file's.
  words.push_back(compile[0].find("clang") != std::string::npos ? "-fno-caret-diagnostics"
                                                                : "-fno-diagnostics-show-caret");
  if (unit.file.ends_with(".cu")) {
    // Assignment 4 is about kernels. In the others a .cu file is what it is to a build without CUDA, loops of
    // the CPU, which compiles in a quarter of the time.
    if (number == 4)
      words.insert(words.end(), kit.device.begin(), kit.device.end());
    else
      words.push_back("-UGADOLIN_CUDA");
  }
  Sha256 hash;
  hash.update(state_of(words)).update(rooms).update(unit.file);
  for (const auto& [file, text] : texts)  // its own text, and headers that others may include
    if (file == unit.file || file.ends_with(".h")) hash.update(file + "\n" + text);
  for (const std::string& symbol : forbidden) hash.update(symbol);
  return kept(kit, hash.hex(), ".o", "unit.o", [&](const fs::path& folder) {
    for (const auto& [file, text] : texts) write(folder / file, text);
    Words all = words;
    all.insert(all.begin() + 1, "-I" + folder.string());
    all.insert(all.end(), {"-c", (folder / unit.file).string(), "-o", (folder / "unit.o").string()});
    const Policy policy = compiling(kit, folder);
    run_tool(all, policy, "does not compile");
    check_symbols(forbidden, folder / "unit.o", task, policy);
  });
}

}  // namespace

fs::path build_probe(const Kit& kit, const Cut& cut, int number, const std::string& task,
                     const Sources& sources, const std::string& program) {
  Words compile = compile_words(kit, number);
  const std::string own = "probe_" + std::to_string(number);
  const Words probe = link_words(kit, own);
  Words link = program.empty() ? probe : link_words(kit, program);
  // A suite of a room below links less than the student's files of rooms above want.
  if (!program.empty())
    std::copy_if(probe.begin() + 1, probe.end(), std::back_inserter(link),
                 [](const std::string& word) { return !word.ends_with(".o"); });
  const std::string rooms = state_of(probe);  // changed where a header of theirs has changed
  compile[0] = which(compile[0]);
  link[0] = which(link[0]);
  std::vector<Unit> units;
  for (const std::string& name : task == "*" ? cut.tasks() : std::vector<std::string>{task}) {
    for (const Unit& unit : cut.units.at(name)) {
      const auto same =
          std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.file == unit.file; });
      if (same == units.end()) units.push_back(unit);
    }
  }
  std::vector<std::string> forbidden;
  if (const auto list = cut.forbidden.find(task); list != cut.forbidden.end()) forbidden = list->second;

  Sources texts = sources;
  texts["course/todo.h"] = read_text(cut.root / "course/todo.h");
  for (const Unit& unit : units) {
    std::string& text = texts.try_emplace(unit.file, "").first->second;
    if (text.empty()) text = read_text(cut.root / unit.file);
    if (!unit.append.empty() && program.empty())
      text += "\n#line 1 \"" + unit.append + "\"\n" + read_text(cut.root / unit.append);
  }
  Words objects(units.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i; (i = next++) < units.size();)
      objects[i] = object_of(kit, number, compile, rooms, units[i], texts, forbidden, task);
  };
  if (units.size() > 1) {
    std::future<void> other = std::async(std::launch::async, work);
    work();
    other.get();
  } else {
    work();
  }
  // What the student has defined comes first; production's later definition of the same name is left out.
  Words words = link;
  words.insert(words.begin() + 1, objects.begin(), objects.end());
  words.push_back("-Wl,-z,muldefs");
  // The device made of software finds what a kernel declares __shared__ by its symbol.
  if (!kit.sanitized && number != 4) words.push_back("-s");
  return kept(kit, Sha256().update(state_of(words)).hex(), "", "probe", [&](const fs::path& folder) {
    Words all = words;
    all.insert(all.end(), {"-o", (folder / "probe").string()});
    run_tool(all, compiling(kit, folder), "does not link");
    fs::permissions(folder / "probe", fs::perms(0755));
  });
}

}  // namespace gadolin::course
