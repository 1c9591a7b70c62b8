// The table reader: one pass over the text, a field at a time.
#include "io/csv.h"

#include <algorithm>
#include <unordered_set>

#include "io/bytes.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::size_t max_line = 1 << 20, max_columns = 4096;
constexpr std::int64_t max_lines = 100'000'000;

// Behind the byte order mark. Throws for UTF-16.
std::string_view text_of(std::string_view text, const std::string& name) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  require<FormatError>(!text.starts_with("\xff\xfe") && !text.starts_with("\xfe\xff"),
                       "csv: ", printable(name), " is in UTF-16; save it as UTF-8");
  return text;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name, char separator = ',')
      : text_(text_of(text, name)), name_(name), separator_(separator) {
    separator_line();
  }

  // One record; false at the end of the text.
  bool record(std::vector<std::string>& fields) {
    fields.clear();
    if (at_ >= text_.size()) return false;
    line_ = next_line_;
    begin_ = at_;
    for (;;) {
      fields.emplace_back();
      if (fields.size() > max_columns) bad("more than 4096 fields");
      field(fields.back());
      if (at_ >= text_.size()) return true;
      if (text_[at_] == separator_) {
        ++at_;
        continue;
      }
      end_of_line();
      return true;
    }
  }
  std::int64_t line() const { return line_; }
  [[noreturn]] void bad(const std::string& what) const {
    fail<FormatError>("csv: ", printable(name_), ":", next_line_, ": ", what);
  }

 private:
  // The first line of spreadsheets that names what stands between fields: sep=; or, by programs that quote
  // every field, "sep=;".
  void separator_line() {
    const std::size_t end = std::min(text_.find_first_of("\r\n"), text_.size());
    std::string_view line = text_.substr(0, end);
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (line.size() > 1 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    if (!has_ending(line.substr(0, 4), "sep=")) return;
    line.remove_prefix(4);
    if (line.size() != 1 || std::string_view(",;|\t").find(line[0]) == std::string_view::npos)
      bad("sep= is to be followed by what stands between fields: a comma, a semicolon, a bar or a tab");
    separator_ = line[0];
    at_ = end;
    if (at_ < text_.size()) end_of_line();
  }
  void step(std::string& out) {
    if (text_[at_] == '\0') bad("a NUL byte");
    if (at_ - begin_ > max_line) bad("a record of more than 1 MB; is a closing quote missing?");
    out += text_[at_++];
  }
  bool at_end() const {
    return at_ >= text_.size() || text_[at_] == separator_ || text_[at_] == '\n' || text_[at_] == '\r';
  }
  bool at_blank() const { return !at_end() && (text_[at_] == ' ' || text_[at_] == '\t'); }
  void field(std::string& out) {
    const std::size_t start = at_;
    while (at_blank()) ++at_;
    if (at_ < text_.size() && text_[at_] == '"') return quoted(out);
    at_ = start;
    while (!at_end()) {
      if (text_[at_] == '"')
        bad("a quote inside a field without quotes; put the field in quotes and double it");
      step(out);
    }
  }
  void quoted(std::string& out) {
    for (++at_;;) {
      if (at_ >= text_.size()) bad("a quote is not closed");
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      if (text_[at_] == '\n') ++next_line_;
      step(out);
    }
    ++at_;
    while (at_blank()) ++at_;
    if (!at_end()) bad("text behind a closing quote");
  }
  void end_of_line() {  // \n, \r\n or \r
    const bool pair = text_.substr(at_, 2) == "\r\n";
    at_ += pair ? 2 : 1;
    ++next_line_;
    if (next_line_ > max_lines) bad("more than 100000000 lines");
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0, begin_ = 0;
  std::int64_t line_ = 1, next_line_ = 1;
  char separator_;
};

bool empty_line(const std::vector<std::string>& fields) {
  return fields.size() == 1 && trimmed(fields[0]).empty();
}

// Spreadsheets end lines with commas: columns without a name and without content. The first may stay: pandas
// writes the numbers of its rows there.
void drop_empty_columns(CsvTable& table, std::int64_t header_line) {
  const auto named = [&](bool good) {
    require<FormatError>(good, "csv: ", printable(table.name), ":", header_line, ": a column has no name");
  };
  for (std::size_t c = table.header.size(); c-- > 1;) {
    if (!table.header[c].empty()) continue;
    named(std::all_of(table.rows.begin(), table.rows.end(),
                      [&](const auto& row) { return trimmed(row[c]).empty(); }));
    const auto at = static_cast<std::ptrdiff_t>(c);
    table.header.erase(table.header.begin() + at);
    for (auto& row : table.rows) row.erase(row.begin() + at);
  }
  named(table.header.size() > 1 || !table.header[0].empty());
}

}  // namespace

int CsvTable::find(std::string_view column) const {
  const auto found = std::find(header.begin(), header.end(), column);
  return found == header.end() ? -1 : static_cast<int>(found - header.begin());
}

int CsvTable::column(std::string_view wanted) const {
  const int found = find(wanted);
  if (found >= 0) return found;
  std::string known;
  for (const std::string& h : header) known = cat(known, known.empty() ? "" : ", ", printable(h));
  const bool other = header.size() == 1 && header[0].find_first_of(";\t") != std::string::npos;
  fail<DataError>("csv: ", printable(name), ":1: there is no column '", printable(wanted), "'; there are ",
                  known, other ? "; fields are separated by commas, unless the first line is sep=;" : "");
}

std::string CsvTable::place(std::size_t row) const { return cat(printable(name), ":", lines[row]); }

namespace {

// Reads the header and every row; columns without a name are still there.
void walk_table(std::string_view text, const std::string& name, char separator,
                const std::function<void(CsvTable&, std::int64_t)>& on_header,
                const std::function<void(std::vector<std::string>&, std::int64_t)>& on_row) {
  CsvTable table;
  table.name = name;
  Parser parser(text, name, separator);
  std::vector<std::string> fields;
  while (parser.record(table.header) && empty_line(table.header)) {
  }
  if (table.header.empty() || empty_line(table.header)) {
    fail<FormatError>("csv: ", printable(name), ":1: the file is empty; its first line names the columns");
  }
  for (std::string& h : table.header) h = trimmed(h);
  std::unordered_set<std::string_view> seen;
  for (const std::string& h : table.header)
    require<FormatError>(h.empty() || seen.insert(h).second, "csv: ", printable(name), ":", parser.line(),
                         ": two columns are named '", printable(h), "'");
  const std::size_t columns = table.header.size();
  on_header(table, parser.line());
  while (parser.record(fields)) {
    if (empty_line(fields) && columns > 1) continue;
    require<FormatError>(fields.size() == columns, "csv: ", printable(name), ":", parser.line(), ": ",
                         fields.size(), fields.size() == 1 ? " field" : " fields", ", the header has ",
                         columns);
    on_row(fields, parser.line());
  }
}

}  // namespace

CsvTable parse_csv(std::string_view text, const std::string& name, char separator) {
  CsvTable table;
  std::int64_t header_line = 0;
  walk_table(
      text, name, separator,
      [&](CsvTable& head, std::int64_t line) {
        table = std::move(head);
        header_line = line;
      },
      [&](std::vector<std::string>& fields, std::int64_t line) {
        table.rows.push_back(std::move(fields));
        table.lines.push_back(line);
      });
  drop_empty_columns(table, header_line);
  return table;
}

void each_csv_row(std::string_view text, const std::string& name,
                  const std::function<void(const CsvTable&)>& header,
                  const std::function<void(std::vector<std::string>&, std::int64_t)>& row, char separator) {
  walk_table(
      text, name, separator,
      [&](CsvTable& head, std::int64_t line) {
        require<FormatError>(std::count(head.header.begin() + 1, head.header.end(), "") == 0,
                             "csv: ", printable(name), ":", line, ": a column has no name");
        header(head);
      },
      row);
}

CsvTable parse_csv_records(std::string_view text, const std::string& name) {
  CsvTable table;
  table.name = name;
  Parser parser(text, name);
  std::vector<std::string> fields;
  while (parser.record(fields)) {
    if (empty_line(fields)) continue;
    table.rows.push_back(std::move(fields));
    table.lines.push_back(parser.line());
  }
  return table;
}

CsvTable read_csv(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  return parse_csv({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out += '"';
}

std::string to_csv(const CsvTable& table) {
  std::string out;
  const auto add = [&](const std::vector<std::string>& fields) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i) out += ',';
      out += csv_field(fields[i]);
    }
    out += '\n';
  };
  add(table.header);
  for (const auto& row : table.rows) add(row);
  return out;
}

}  // namespace gadolin
