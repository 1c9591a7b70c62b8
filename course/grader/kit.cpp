// Compiles one task of one submission, in the sandbox, and links it before the rooms.
#include "course/grader/kit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>

#include "course/grader/sandbox.h"
#include "course/grader/toml.h"
#include "io/sha256.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string>;

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

Words link_words(const Kit& kit, int number) {
  Words out;
  const Words all = words_of(kit.folder / ("probe_" + std::to_string(number) + ".link"));
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
  policy.cpu_seconds = 60;
  policy.memory = kit.sanitized ? std::int64_t{3} << 30 : std::int64_t{3} << 29;
  policy.file_size = std::int64_t{256} << 20;
  return policy;
}

void run_tool(const Words& words, const Policy& policy, const char* what) {
  const Run done = run(words, policy, 120);
  if (!done.log_full && done.ending.code == 0) return;
  if (done.ending.out_of_time) throw CompileError(std::string(what) + ": time limit of 60 s");
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

fs::path build_probe(const Kit& kit, const Cut& cut, int number, const std::string& task,
                     const Sources& sources) {
  Words compile = compile_words(kit, number), link = link_words(kit, number);
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
  Sha256 hash;
  hash.update(state_of(compile)).update(state_of(link));
  for (const Unit& unit : units) {
    if (kit.cuda == "nvcc" && unit.file.ends_with(".cu"))
      throw CompileError("task " + task +
                         ": this kit compiles kernels by nvcc; build one with course/setup.sh");
    std::string& text = texts.try_emplace(unit.file, "").first->second;
    if (text.empty()) text = read_text(cut.root / unit.file);
    if (!unit.append.empty())
      text += "\n#line 1 \"" + unit.append + "\"\n" + read_text(cut.root / unit.append);
    hash.update(unit.file);
  }
  for (const auto& [file, text] : texts) hash.update(file + "\n" + text);
  for (const std::string& symbol : forbidden) hash.update(symbol);

  const fs::path kept = kit.folder / "cache" / hash.hex().substr(0, 32);
  if (fs::exists(kept)) return kept;
  static std::atomic<int> count{0};
  const fs::path folder =
      kit.folder / "cache" / ("making-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
  struct Remover {
    fs::path path;
    ~Remover() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } const remover{folder};
  for (const auto& [file, text] : texts) write(folder / file, text);
  const Policy policy = compiling(kit, folder);
  Words objects;
  for (const Unit& unit : units) {
    Words words = compile;
    words.insert(words.begin() + 1, {"-I" + folder.string(), "-w", "-x", "c++"});
    // The lines that a message names are the student's, those beside it would be another file's.
    words.push_back(compile[0].find("clang") != std::string::npos ? "-fno-caret-diagnostics"
                                                                  : "-fno-diagnostics-show-caret");
    if (unit.file.ends_with(".cu")) words.insert(words.end(), kit.device.begin(), kit.device.end());
    const std::string object = (folder / (std::to_string(objects.size()) + ".o")).string();
    words.insert(words.end(), {"-c", (folder / unit.file).string(), "-o", object});
    run_tool(words, policy, "does not compile");
    check_symbols(forbidden, object, task, policy);
    objects.push_back(object);
  }
  Words words = link;
  words.insert(words.begin() + 1, objects.begin(), objects.end());
  // What the student has defined comes first; production's later definition of the same name is left out.
  words.insert(words.end(), {"-Wl,-z,muldefs", "-o", (folder / "probe").string()});
  if (!kit.sanitized) words.push_back("-s");
  run_tool(words, policy, "does not link");
  fs::permissions(folder / "probe", fs::perms(0755));
  fs::rename(folder / "probe", kept);
  return kept;
}

}  // namespace gadolin::course
