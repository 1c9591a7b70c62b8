// metrics.csv: appended row by row, cut to the resumed step.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "io/atomic_file.h"
#include "tensor/check.h"
#include "train/run_dir.h"

namespace gadolin {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "nan";
  char text[40];
  const auto [end, error] =
      std::to_chars(text, text + sizeof text, value);  // shortest text that reads back the same
  return {text, end};
}

// The part of the file to keep: the heading and whole rows up to the step.
std::size_t kept_length(std::string_view text, std::int64_t step) {
  std::size_t kept = text.find('\n') + 1;
  while (kept < text.size()) {
    const std::size_t end = text.find('\n', kept);
    if (end == std::string_view::npos) return kept;
    std::int64_t at = -1;
    const auto [stop, error] = std::from_chars(text.data() + kept, text.data() + end, at);
    if (error != std::errc{} || stop == text.data() + end || *stop != ',' || at > step) return kept;
    kept = end + 1;
  }
  return kept;
}

}  // namespace

CsvLog::CsvLog(std::string path, const std::vector<std::string>& columns, std::int64_t resume_step)
    : path_(std::move(path)), columns_(columns.size()) {
  require<ValueError>(columns.size() >= 2, "metrics: ", path_, ": ", columns.size(),
                      " columns; a step and a value at least");
  std::string heading;
  for (const std::string& column : columns) {
    require<ValueError>(column.find_first_of(",\"\n\r") == std::string::npos, "metrics: column name '",
                        column, "' holds a comma, a quote or a line break");
    heading += (heading.empty() ? "" : ",") + column;
  }
  heading += '\n';
  std::string text = heading;
  if (resume_step >= 0 && std::filesystem::exists(path_)) {
    const std::string before = read_file(path_, std::int64_t{1} << 32);
    const std::string old = before.substr(0, before.find('\n') + 1);
    require<DataError>(old == heading, "metrics: ", path_, " has the columns ",
                       old.substr(0, old.size() - (old.empty() ? 0 : 1)), ", this run writes ",
                       heading.substr(0, heading.size() - 1), "; resume with the configuration of before");
    text = before.substr(0, kept_length(before, resume_step));
  }
  write_file_atomically(path_, text);
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file_ < 0) fail_file("metrics", path_, errno);
}

CsvLog::~CsvLog() {
  if (file_ >= 0) ::close(file_);
}

void CsvLog::row(std::int64_t step, const std::vector<double>& values) {
  require<ValueError>(values.size() + 1 == columns_, "metrics: ", path_, ": ", values.size(), " values for ",
                      columns_ - 1, " columns");
  std::string line = std::to_string(step);
  for (const double value : values) line += "," + number(value);
  line += '\n';
  ssize_t done = 0;
  while ((done = ::write(file_, line.data(), line.size())) < 0 && errno == EINTR) {
  }
  if (done != static_cast<ssize_t>(line.size())) fail_file("metrics", path_, done < 0 ? errno : ENOSPC);
}

}  // namespace gadolin
