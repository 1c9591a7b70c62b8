// The strict table reader: what it takes, and the line it names for everything it does not.
#include "io/csv.h"

#include "io/text.h"
#include "tensor/random.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

TEST(Csv, ReadsQuotesLineBreaksAndByteOrderMark) {
  const CsvTable t = parse_csv(
      "\xef\xbb\xbf"
      "a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\r\n\n,3",
      "t.csv");
  EXPECT_EQ(t.header, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(t.rows.size(), 2u);
  EXPECT_EQ(t.rows[0], (std::vector<std::string>{"x, \"y\"", "two\nlines"}));
  EXPECT_EQ(t.rows[1], (std::vector<std::string>{"", "3"}));
  EXPECT_EQ(t.lines, (std::vector<std::int64_t>{2, 5}));
  EXPECT_EQ(t.place(1), "t.csv:5");
  EXPECT_EQ(parse_csv(to_csv(t), "t.csv").rows, t.rows);
  EXPECT_EQ(parse_csv("a\n\nx\n", "t.csv").rows.size(), 2u);  // one column: an empty line is an empty field
}

TEST(Csv, NamesTheLineOfEveryFault) {
  const auto message = [](std::string_view text) {
    return message_of<FormatError>([&] { parse_csv(text, "t.csv"); });
  };
  EXPECT_EQ(message(""), "csv: t.csv:1: the file is empty; its first line names the columns");
  EXPECT_EQ(message("\n\n"), "csv: t.csv:1: the file is empty; its first line names the columns");
  EXPECT_EQ(message("a,b\n1,2\n1\n"), "csv: t.csv:3: 1 field, the header has 2");
  EXPECT_EQ(message("a,b\n1,2,3\n"), "csv: t.csv:2: 3 fields, the header has 2");
  EXPECT_EQ(message("a,,b\n1,,2\n1,x,2\n"), "csv: t.csv:1: a column has no name");
  EXPECT_EQ(message(",\n1,\n"), "csv: t.csv:1: a column has no name");
  EXPECT_EQ(message("a,b,a\n"), "csv: t.csv:1: two columns are named 'a'");
  EXPECT_EQ(message("a,b\n1,\"2\n"), "csv: t.csv:3: a quote is not closed");
  EXPECT_EQ(message("a,b\n\"1\"x,2\n"), "csv: t.csv:2: text behind a closing quote");
  EXPECT_EQ(message("a,b\n1\"x\",2\n"),
            "csv: t.csv:2: a quote inside a field without quotes; put the field in quotes and double it");
  EXPECT_EQ(message("\xff\xfe"
                    "a,b\n"),
            "csv: t.csv is in UTF-16; save it as UTF-8");
  EXPECT_EQ(message(std::string_view("a,b\n1,\0\n", 8)), "csv: t.csv:2: a NUL byte");
  EXPECT_EQ(message("a\n\"" + std::string(1100000, 'x')),
            "csv: t.csv:2: a record of more than 1 MB; is a closing quote missing?");
  EXPECT_EQ(message(std::string(5000, ',')), "csv: t.csv:1: more than 4096 fields");
  for (const char* line : {"sep=\na,b\n", "sep=:\na:b\n", "SEP=;;\na;b\n", "\"sep=x\"", "sep=,,,\na,b,,\n"})
    EXPECT_EQ(
        message(line),
        "csv: t.csv:1: sep= is to be followed by what stands between fields: a comma, a semicolon, a bar "
        "or a tab");
  EXPECT_EQ(message("sep=;\na;b\n1;2;3\n"), "csv: t.csv:3: 3 fields, the header has 2");
  EXPECT_EQ(message("sep=;\n"), "csv: t.csv:1: the file is empty; its first line names the columns");
  EXPECT_EQ(message_of<DataError>([] { parse_csv("a,b\n", "t.csv").column("c"); }),
            "csv: t.csv:1: there is no column 'c'; there are a, b");
  EXPECT_EQ(message_of<DataError>([] { parse_csv("a;b\n", "t.csv").column("a"); }),
            "csv: t.csv:1: there is no column 'a'; there are a;b; fields are separated by commas, unless the "
            "first line is sep=;");
  EXPECT_EQ(message_of<DataError>([] { parse_csv("a\tb\n", "t.csv").column("a"); }),
            "csv: t.csv:1: there is no column 'a'; there are a\\x09b; fields are separated by commas, unless "
            "the first line is sep=;");
}

// Tables of spreadsheets and of other systems: what means nothing changes nothing.
TEST(Csv, ReadsWhatSpreadsheetsWrite) {
  const CsvTable want = parse_csv("a,b\n1,\"x, y\"\n2,z\n", "t.csv");
  for (const char* text :
       {"a,b\r1,\"x, y\"\r2,z\r", "a,b,,\n1,\"x, y\",,\n2,z, ,\n", "\"a\" , \"b\"\n1, \"x, y\" \n2,z\n",
        "\xc2\xa0"
        "a,b\t\n1,\"x, y\"\n  \n2,z\n \t"}) {
    const CsvTable t = parse_csv(text, "t.csv");
    EXPECT_EQ(t.header, want.header) << text;
    EXPECT_EQ(t.rows, want.rows) << text;
  }
  // Excel's first line, which names the separator.
  for (const char* text :
       {"sep=,\na,b\n1,\"x, y\"\n2,z\n", "sep=;\r\na;b\r\n1;x, y\r\n2;z\r\n",
        "\xef\xbb\xbfSep=; \na;b;;\n1;\"x, y\";;\n2;z;;\n", "\"sep=;\"\r\"a\";\"b\"\r1;x, y\r2;z",
        "sep=\t\na\tb \n1\t \"x, y\"\n2\tz\n", "sep=|\n\na|b\n1|x, y\n2|z\n"}) {
    const CsvTable t = parse_csv(text, "t.csv");
    EXPECT_EQ(t.header, want.header) << text;
    EXPECT_EQ(t.rows, want.rows) << text;
    EXPECT_EQ(t.lines[0], want.lines[0] + (std::string_view(text).starts_with("sep=|") ? 2 : 1)) << text;
  }
  EXPECT_EQ(parse_csv("sep=\t\na\tb\n\t\n", "t.csv").rows[0], (std::vector<std::string>{"", ""}));
  EXPECT_EQ(trimmed("\xc2\xa0 a\xe3\x80\x80"), "a");
  EXPECT_EQ(trimmed("\xc2\xa0 "), "");
}

TEST(Csv, RandomTextNeverCrashes) {
  const std::string alphabet = "a,;\"\n\r\xef\xbb\xbf|\\ 1";
  RandomStream random(1, 1);
  for (int round = 0; round < 20000; ++round) {
    std::string text(random.below(40), ' ');
    for (char& c : text) c = alphabet[random.below(alphabet.size())];
    if (round % 2 == 1) text.insert(0, "sep=;\n");
    try {
      const CsvTable t = parse_csv(text, "t.csv");
      ASSERT_EQ(parse_csv(to_csv(t), "t.csv").rows, t.rows);
    } catch (const FormatError&) {
    }
  }
}
