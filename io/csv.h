// Comma-separated tables with a header, read strictly: what is odd is an error with file and line, never a
// guess.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gadolin {

// Rows of texts under names.
struct CsvTable {
  std::string name;                            // of the file, for messages
  std::vector<std::string> header;             // names of the columns
  std::vector<std::vector<std::string>> rows;  // each as long as the header
  std::vector<std::int64_t> lines;  // where in the file a row begins; the header's line is the first

  // Column of this name, -1 when there is none.
  int find(std::string_view column) const;
  // Throws DataError that lists the columns there are.
  int column(std::string_view column) const;
  std::string place(std::size_t row) const;  // "file.csv:12"
};

// RFC 4180 with \n, \r\n or \r: fields with a comma, a quote or a line break stand in double quotes, which
// may have blanks around them; a quote inside is doubled. A byte order mark, empty lines and columns without
// a name and content are passed over. A first line sep=; of Excel names another separator: comma, semicolon,
// bar or tab. Limits: line 1 MB, 4096 columns, 10^8 lines. Throws FormatError with
// file:line for other numbers of fields than the header has, quotes out of place, NUL bytes, UTF-16, repeated
// names of columns, and content without one; only the first may have none, as in tables of pandas with their
// row numbers. Names of columns are trimmed.
CsvTable parse_csv(std::string_view text, const std::string& name, char separator = ',');
CsvTable read_csv(const std::string& path);  // throws FileError, and FormatError with the line
// The same row by row, for tables that are too large to hold: `header` gets a table without rows, `row` the
// fields of one, as many as the header has, and its line. Every column but the first must have a name.
void each_csv_row(std::string_view text, const std::string& name,
                  const std::function<void(const CsvTable&)>& header,
                  const std::function<void(std::vector<std::string>&, std::int64_t)>& row,
                  char separator = ',');
// The records alone, each with the fields it has: for tables that may have no header (the header is empty).
CsvTable parse_csv_records(std::string_view text, const std::string& name);

std::string csv_field(std::string_view text);  // quoted when it must be
std::string to_csv(const CsvTable& table);     // with quotes where they are needed

}  // namespace gadolin
