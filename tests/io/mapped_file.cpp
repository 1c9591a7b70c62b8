// A file larger than what may stay resident: its pages go back, its bytes stay.
#include "io/mapped_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/scratch.h"

namespace gadolin {
namespace {

std::int64_t resident_pages() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident;
}

TEST(MappedFiles, WhatHasBeenReadDoesNotStayResident) {
  const test::Scratch dir;
  const std::string text(std::size_t{24} << 20, 'x');
  const MappedFile file(dir.write("large", text));
  const std::int64_t before = resident_pages();
  EXPECT_TRUE(file.text() == text);
  const std::int64_t read = resident_pages();
  file.passed(text.size());
  EXPECT_GT(read - before, 5000) << "64 MB are not full yet";
  file.passed(std::size_t{40} << 20);
  EXPECT_LT(resident_pages() - before, 1000);
  EXPECT_TRUE(file.text() == text);
}

}  // namespace
}  // namespace gadolin
