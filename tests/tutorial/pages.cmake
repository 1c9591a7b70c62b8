# One source of all pages for readers: the program of each, and what its page says that it prints.
#   cmake -D DOCS=FOLDER -D OUT=pages.cpp -P pages.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/blocks.cmake)
file(GLOB pages ${DOCS}/tutorial/*.md)
list(APPEND pages ${DOCS}/reading.md)
set(includes "")
set(programs "")
set(table "")
foreach(page IN LISTS pages)
  get_filename_component(name ${page} NAME_WE)
  string(MAKE_C_IDENTIFIER "page_${name}" id)
  file(READ ${page} text)
  set(line 1)
  set(program "")
  next_block(cpp)
  while(block_found)
    string(REGEX MATCHALL "\n" lines "${before}")
    list(LENGTH lines count)
    math(EXPR line "${line} + ${count}")
    string(APPEND program "#line ${line} \"${page}\"\n${block}")
    string(REGEX MATCHALL "\n" lines "${block}")
    list(LENGTH lines count)
    math(EXPR line "${line} + ${count}")
    next_block(cpp)
  endwhile()
  # Headers once for all pages; each program in a namespace of its own, where main() is a function like any other.
  string(REGEX MATCHALL "#include <[a-z_./]+>\n" of_page "${program}")
  string(APPEND includes ${of_page})
  string(REGEX REPLACE "#include <[a-z_./]+>" "" program "${program}")
  string(REPLACE "int main() {" "void run() {" program "${program}")
  blocks_of(${page} text printed)
  string(APPEND programs "namespace ${id} {\n${program}}  // namespace ${id}\n\n")
  string(APPEND table "    {\"${name}\", ${id}::run, R\"printed(${printed})printed\"},\n")
endforeach()
file(WRITE ${OUT} "// Made of ${DOCS} by tests/tutorial/pages.cmake.
#include \"tests/tutorial/pages.h\"

${includes}
namespace {

${programs}}  // namespace

const std::vector<TutorialPage>& tutorial_pages() {
  static const std::vector<TutorialPage> pages = {
${table}  };
  return pages;
}
")
