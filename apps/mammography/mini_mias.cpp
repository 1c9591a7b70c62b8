// mini-MIAS: Info.txt with circles, PGM files of 1024 x 1024, two films of a patient side by side in number.
#include <charconv>
#include <filesystem>
#include <map>
#include <sstream>

#include "apps/mammography/source.h"
#include "data/image/header.h"
#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin::mammography {
namespace fs = std::filesystem;
namespace {

const std::map<std::string, std::string>& mias_kinds() {
  static const std::map<std::string, std::string> kinds{
      {"CALC", "calcification"}, {"CIRC", "mass"},      {"SPIC", "mass"}, {"MISC", "mass"},
      {"ARCH", "distortion"},    {"ASYM", "asymmetry"}, {"NORM", ""}};
  return kinds;
}

// "mdb012" -> 12; 0 for other words.
int film_number(const std::string& word) {
  int number = 0;
  if (word.size() != 6 || !word.starts_with("mdb")) return 0;
  const auto [end, error] = std::from_chars(word.data() + 3, word.data() + 6, number);
  return error == std::errc() && end == word.data() + 6 ? number : 0;
}

class MiniMias {
 public:
  MiniMias(const std::string& root, const SourceOptions& options) : o_(options) {
    out_.name = "mini-mias";
    out_.root = root;
    out_.malignant = "severity M of the lesion in Info.txt, B is benign";
    if (o_.findings.empty()) o_.findings = {"all"};
  }

  Source read() {
    std::string info;
    for (const std::string& file : files_below(out_.root)) {
      const fs::path path = file;
      if (path.filename() == "Info.txt") info = file;
      if (has_ending(file, ".pgm") || has_ending(file, ".png")) files_.emplace(path.stem().string(), file);
    }
    require<DataError>(!info.empty(), "mini-mias: ", printable(out_.root), " has no Info.txt");
    std::istringstream lines(text_of((fs::path(out_.root) / info).string()));
    std::int64_t number = 0;
    for (std::string line; std::getline(lines, line);) row(line, cat("mini-mias: Info.txt:", ++number));
    require<DataError>(!films_.empty() || !out_.unmatched.empty(), "mini-mias: ", printable(info),
                       " has no line like mdb001 G CIRC B 535 425 197");
    for (auto& [name, film] : films_) {
      if (without_place_.contains(name))
        out_.left_out.push_back({"film", film.file, "a finding on it has no place in Info.txt"});
      else
        out_.films.push_back(std::move(film));
    }
    for (const auto& [stem, file] : files_)
      if (!films_.contains(stem)) out_.unmatched.push_back({"file", file, "no line of Info.txt names it"});
    drop_other_findings(out_, o_);
    return std::move(out_);
  }

 private:
  static std::string text_of(const std::string& path) {
    const std::vector<std::uint8_t> bytes = read_bytes(path, 16 << 20);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void row(const std::string& line, const std::string& place) {
    std::istringstream words(line);
    std::vector<std::string> word;
    for (std::string w; words >> w;) word.push_back(w);
    const int number = word.empty() ? 0 : film_number(word[0]);
    if (number == 0) {  // the database's own explanation stands before the table
      require<DataError>(word.empty() || !word[0].starts_with("mdb"), place, ": '",
                         printable(word.empty() ? "" : word[0], 40), "' is no film like mdb001");
      return;
    }
    ++out_.rows;
    require<DataError>(word.size() >= 3 && mias_kinds().contains(word[2]), place, ": '", printable(line, 60),
                       "' is not like mdb001 G CIRC B 535 425 197, or mdb003 D NORM");
    const auto file = files_.find(word[0]);
    if (file == files_.end()) {
      out_.unmatched.push_back({"row", place.substr(11), cat("there is no ", word[0], ".pgm")});
      return;
    }
    const auto [film, fresh] = films_.try_emplace(word[0]);
    if (fresh) {
      // Even numbers are left breasts, odd ones right, and two neighbours one patient: 1 and 2, 3 and 4.
      film->second.file = file->second;
      film->second.patient = cat("mdb", (number + 1) / 2);
      film->second.side = number % 2 == 0 ? "L" : "R";
      film->second.view = "MLO";
      out_.ids.insert(film->second.patient);
    }
    if (word[2] != "NORM") finding(word, film->second, line, place);
  }

  void finding(const std::vector<std::string>& word, Film& film, const std::string& line,
               const std::string& place) {
    require<DataError>(word.size() > 3 && (word[3] == "B" || word[3] == "M"), place, ": '",
                       printable(line, 60), "' has no severity, B or M");
    if (word.size() == 4 || word[4].starts_with("*")) {  // "*NOTE 3*": spread over the breast
      without_place_.insert(word[0]);
      return;
    }
    std::int64_t v[3] = {};
    bool numbers = word.size() == 7;
    for (std::size_t i = 0; i < 3 && numbers; ++i) {
      const std::string& w = word[4 + i];
      const auto [end, error] = std::from_chars(w.data(), w.data() + w.size(), v[i]);
      numbers = error == std::errc() && end == w.data() + w.size() && v[i] >= 0 && v[i] < 100000;
    }
    require<DataError>(numbers && v[2] > 0, place, ": '", printable(line, 60),
                       "' does not end with x, y and a radius above 0");
    const std::string path = (fs::path(out_.root) / film.file).string();
    const std::int64_t height = read_image_header(read_bytes(path), path).height;
    const auto x = static_cast<double>(v[0]), y = static_cast<double>(height - 1 - v[1]),
               r = static_cast<double>(v[2]);
    film.lesions.push_back({{x - r, y - r, x + r, y + r},
                            mias_kinds().at(word[2]),
                            word[3] == "M" ? "malignant" : "benign",
                            true});
  }

  SourceOptions o_;
  Source out_;
  std::map<std::string, std::string> files_;  // by stem
  std::map<std::string, Film> films_;         // by name
  std::set<std::string> without_place_;
};

}  // namespace

Source read_mini_mias(const std::string& root, const SourceOptions& options) {
  return MiniMias(root, options).read();
}

}  // namespace gadolin::mammography
