// Every message that require() and fail() can give, and whether a test quotes it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gadolin::layering {

// A call of require or fail: where it stands, and the pieces of its message that are written out.
struct MessageSite {
  std::string place;                // "tensor/shape.cpp:25"
  std::vector<std::string> pieces;  // "shape: more than ", " dimensions"
};
std::vector<MessageSite> message_sites(const std::filesystem::path& root,
                                       const std::vector<std::string>& folders);

// What a tree's tests quote: the string literals of an argument, a row's member or a statement, one after
// another. Literals that do not stand side by side are told apart by a byte that no message holds.
std::vector<std::string> quoted_texts(const std::filesystem::path& tests);

// Whether one of the texts holds all pieces in their order.
bool is_quoted(const MessageSite& site, const std::vector<std::string>& texts);

}  // namespace gadolin::layering
