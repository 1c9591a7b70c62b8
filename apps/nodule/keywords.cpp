#include "apps/nodule/keywords.h"

#include <algorithm>

#include "io/text.h"

namespace gadolin::nodule {
namespace {

std::string text_of(const std::vector<std::string>& terms) {
  std::string text;
  for (std::size_t i = 0; i < terms.size(); ++i) text += (i > 0 ? "/" : "") + terms[i];
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

const std::vector<std::string>& keywords() {
  static const std::vector<std::string> all{"normal",
                                            "opacity",
                                            "cardiomegaly",
                                            "calcinosis",
                                            "lung/hypoinflation",
                                            "calcified granuloma",
                                            "thoracic vertebrae/degenerative",
                                            "lung/hyperdistention",
                                            "spine/degenerative ",
                                            "catheters, indwelling",
                                            "granulomatous disease",
                                            "nodule",
                                            "surgical instruments",
                                            "scoliosis",
                                            "spondylosis"};
  return all;
}

std::string composite_label(const std::vector<std::string>& terms) {
  const std::string text = text_of(terms);
  std::string label;
  for (const std::string& word : keywords())
    if (text.find(word) != std::string::npos) label += word;
  return label.empty() ? "missing" : label;
}

std::vector<std::string> terms_of(std::string_view field) {
  std::vector<std::string> terms;
  for (std::size_t begin = 0; begin <= field.size() && !field.empty();) {
    const std::size_t end = std::min(field.find('|', begin), field.size());
    terms.emplace_back(field.substr(begin, end - begin));
    begin = end + 1;
  }
  return terms;
}

bool mentions_nodule(const std::vector<std::string>& terms) {
  return text_of(terms).find("nodule") != std::string::npos;
}

bool normal_within_a_word(const std::vector<std::string>& terms) {
  const std::string text = text_of(terms), word = "normal";
  bool within = false;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const auto letter = [&](std::size_t i) { return i < text.size() && text[i] >= 'a' && text[i] <= 'z'; };
    if (!(at > 0 && letter(at - 1)) && !letter(at + word.size())) return false;
    within = true;
  }
  return within;
}

}  // namespace gadolin::nodule
