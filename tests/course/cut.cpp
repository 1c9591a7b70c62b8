// The course's lists and the tree belong together: starters are what is left of production, and every list is
// readable.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "course/grader/selftest.h"
#include "course/grader/source_text.h"
#include "course/grader/toml.h"
#include "tests/course/kit.h"
#include "tests/scratch.h"

namespace gadolin::course {
namespace {

using test::joined;

TEST(Cut, StartersAreProductionWithoutTheirParts) {
  for (int number : known_assignments())
    EXPECT_EQ(joined(starter_faults(test::course(number).cut)), "") << number;
}

TEST(Cut, EveryAssignmentHasTwelveMistakesAndAHundredPoints) {
  for (int number : known_assignments()) {
    const Course& course = test::course(number);
    EXPECT_GE(course.mistakes.size(), 12u) << number;
    double points = 0;
    for (const Task& task : course.assignment.tasks) points += task.points;
    for (const Question& question : questions_of(course, {})) points += question.points;
    EXPECT_EQ(points, 100) << number;
    EXPECT_TRUE(std::filesystem::exists(course.cut.folder / "README.md")) << number;
  }
}

// What course/test.sh runs, where the programs are built; GoogleTest takes a pattern that finds nothing in
// silence.
TEST(Cut, EveryPatternOfTheSuitesFindsCases) {
  const gadolin::test::Scratch scratch;
  const std::string listed = scratch / "listed";
  int asked = 0;
  for (int number : known_assignments()) {
    const Cut& cut = test::course(number).cut;
    EXPECT_FALSE(cut.suites.empty()) << number;
    for (const auto& [name, filter] : cut.suites) {
      const std::filesystem::path program = test::kit().folder.parent_path() / "tests" / name;
      if (!std::filesystem::exists(program)) continue;
      std::istringstream patterns(filter);
      for (std::string pattern; std::getline(patterns, pattern, ':'); ++asked) {
        const std::string words =
            program.string() + " --gtest_list_tests '--gtest_filter=" + pattern + "' > " + listed;
        ASSERT_EQ(std::system(words.c_str()), 0) << words;
        EXPECT_NE(read_text(listed).find("\n  "), std::string::npos)
            << number << ": " << name << " " << pattern;
      }
    }
  }
  if (asked == 0) GTEST_SKIP() << "no suite is built here";
}

// A tree of one file and its cut list.
struct SmallTree : gadolin::test::Scratch {
  SmallTree(const std::string& source, const std::string& list) {
    write("room/file.cpp", source);
    write("course/7/cut.toml", list);
  }
  Cut cut() const { return read_cut(path(), 7); }
};
const char* const small_source =
    "#include \"room/file.h\"\n\nnamespace gadolin {\n\n// Twice x. \"{\" is no brace here.\nint twice(int "
    "x) {\n  const char* "
    "s = \"}\";  // }\n  return s ? 2 * x : 0;\n}\n\nint thrice(int x) { return 3 * x; }\n\n}  // namespace "
    "gadolin\n";
const char* const small_list =
    "[[part]]\ntask = \"7.1\"\nname = \"twice\"\nfile = \"room/file.cpp\"\nopen = \"int twice(int x) "
    "{\"\nafter = \"const char* s\"\n"
    "[[part]]\ntask = \"7.2\"\nname = \"thrice\"\nfile = \"room/file.cpp\"\nopen = \"int thrice(int x) {\"\n";

TEST(Cut, PartsGoOutAndIn) {
  const SmallTree tree(small_source, small_list);
  const Cut cut = tree.cut();
  const std::string starter = starters(cut).at("room/file.cpp");
  EXPECT_EQ(starter, R"(#include "course/todo.h"
#include "room/file.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {

// Twice x. "{" is no brace here.
int twice(int x) {
  const char* s = "}";  // }
  course::todo("7.1", "twice");
}

int thrice(int x) {
  course::todo("7.2", "thrice");
}

}  // namespace gadolin
)");
  std::string mine = starter;
  mine.replace(mine.find("course::todo(\"7.2\", \"thrice\");"), 30, "return x + helped(x);");
  mine.replace(mine.find("// end of yours"), 0, "int helped(int x) { return 2 * x; }\n");
  mine.replace(mine.find("Twice"), 5, "Thrice");
  mine.replace(mine.find("course::todo(\"7.1\""), 0, "// tomorrow\n  ");  // a comment writes nothing
  const Bodies bodies = bodies_of(cut, {{"room/file.cpp", mine}});
  EXPECT_EQ(joined(bodies.notes),
            "room/file.cpp: changed outside your parts, which is ignored; first at '// Thrice x. \"{\" is no "
            "brace here.'\n");
  EXPECT_EQ(unwritten(cut, "*", bodies), (std::vector<const Part*>{&cut.parts[0]}));
  EXPECT_TRUE(unwritten(cut, "7.2", bodies).empty());
  const std::string whole = composed(cut, "7.2", bodies).at("room/file.cpp");
  EXPECT_NE(whole.find("return s ? 2 * x : 0;"), std::string::npos);  // 7.1 stays production's
  EXPECT_NE(whole.find("return x + helped(x);"), std::string::npos);
  EXPECT_NE(whole.find("int helped(int x)"), std::string::npos);
  EXPECT_EQ(whole.find("Thrice"), std::string::npos);
}

TEST(Cut, TextsThatAreThereTwiceOrNeverAreNamed) {
  const SmallTree twice(std::string(small_source) + "int twice(int x) {\n}\n", small_list);
  try {
    starters(twice.cut());
    FAIL();
  } catch (const CutError& error) {
    EXPECT_STREQ(error.what(),
                 "room/file.cpp: 'int twice(int x) {' of part 7.1 stands there twice; it is needed once to "
                 "find your part");
  }
  const SmallTree tree(small_source, small_list);
  const Cut cut = tree.cut();
  std::string changed = starters(cut).at("room/file.cpp");
  changed.replace(changed.find("int thrice"), 3, "long");
  const Bodies bodies = bodies_of(cut, {{"room/file.cpp", changed}});
  EXPECT_EQ(bodies.missing.at(&cut.parts[1]),
            "room/file.cpp: 'int thrice(int x) {' of part 7.2 stands there nowhere; it is needed once to "
            "find your part");
  EXPECT_TRUE(bodies.parts.contains(&cut.parts[0]));  // a changed line costs its own task alone
}

std::string toml_error(const std::string& text) {
  try {
    parse_toml(text, "a.toml");
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "read";
}

TEST(Cut, ListsAreReadOrRefusedWithTheirLine) {
  const auto tables = parse_toml(
      "a = 1 # one\n[[part]]\nb = 'x\\n'\nc = \"x\\n\"\nd = [1, 2.5,\n 3]\ne = '''\ntwo\nlines'''\nf = "
      "true\n",
      "a.toml");
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[1].text("b"), "x\\n");
  EXPECT_EQ(tables[1].text("c"), "x\n");
  EXPECT_EQ(tables[1].numbers("d"), (std::vector<double>{1, 2.5, 3}));
  EXPECT_EQ(tables[1].text("e"), "two\nlines");
  EXPECT_EQ(toml_error("a = 1\na = 2\n"), "a.toml:2: 'a' stands twice");
  EXPECT_EQ(toml_error("a = \"x\n"), "a.toml:1: a string has no end on its line");
  EXPECT_EQ(toml_error("a = 1 2\n"), "a.toml:1: the line goes on after its value");
  EXPECT_EQ(toml_error("\n[[part]\n"), "a.toml:2: ']]' was expected");
  EXPECT_EQ(toml_error("a = [1, 'x']"), "a.toml:1: an array holds text and numbers");
  EXPECT_EQ(toml_error("a = seven"), "a.toml:1: a value was expected, not 'seven'");
  EXPECT_EQ(toml_error("a = '''x"), "a.toml:1: a literal string has no end");
  EXPECT_EQ(toml_error("a 1"), "a.toml:1: '=' was expected after 'a'");
  EXPECT_EQ(toml_error("= 1"), "a.toml:1: a name was expected");
  EXPECT_EQ(toml_error("a = \"\\q\""), "a.toml:1: unknown escape in a string");
}

}  // namespace
}  // namespace gadolin::course
