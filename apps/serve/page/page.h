// The page of `gadolin serve`, in the program: the files beside this one, embedded by cmake/embed_page.cmake.
#pragma once

#include <span>
#include <string_view>

namespace gadolin::serve {

struct PageFile {
  std::string_view path;  // as a browser asks for it: "/" for index.html, "/page/main.js"
  std::string_view type;  // Content-Type
  std::string_view text;
};

// Every file of the page, index.html first.
std::span<const PageFile> page_files();

// Content-Security-Policy of the page (W3C CSP Level 3): nothing from elsewhere, nothing inline, nobody
// frames it.
extern const char* const page_policy;

}  // namespace gadolin::serve
