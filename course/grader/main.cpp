// gadolin-grade: cuts, grades, and tells teachers what they need to know.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>

#include "course/grader/commands.h"

int main(int argc, char** argv) {
  ::umask(077);  // grades and submissions are nobody else's business
  gadolin::course::Options options;
  options.kit = GADOLIN_COURSE_KIT;
  CLI::App app("gadolin-grade: grades the assignments of the course", "gadolin-grade");
  gadolin::course::declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return gadolin::course::run(app, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gadolin-grade: %s\n", error.what());
    return 1;
  }
}
