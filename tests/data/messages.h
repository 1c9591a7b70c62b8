// What something throws, word for word, with the folder of the test written as DIR.
#pragma once

#include <string>

#include "tests/data/scratch.h"

namespace gadolin::test {

template <class E, class F> std::string said(const Scratch& dir, F&& f) {
  std::string text = message_of<E>(std::forward<F>(f));
  for (std::size_t at; (at = text.find(dir.path())) != std::string::npos;)
    text.replace(at, dir.path().size(), "DIR");
  return text;
}

template <class E, class F> void expect_says(const Scratch& dir, F&& f, const std::string& want) {
  EXPECT_EQ(said<E>(dir, std::forward<F>(f)), want);
}

}  // namespace gadolin::test
