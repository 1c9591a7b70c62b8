// The pages of docs/tutorial and docs/reading.md as programs: a source made of their blocks defines them
// (pages.cmake).
#pragma once

#include <ostream>
#include <vector>

struct TutorialPage {
  const char* name;     // of the file, "1-a-number"
  void (*run)();        // main() of its C++ blocks
  const char* printed;  // its blocks of output
};

// How a list of tests calls a page.
inline void PrintTo(const TutorialPage& page, std::ostream* out) { *out << page.name; }

const std::vector<TutorialPage>& tutorial_pages();
