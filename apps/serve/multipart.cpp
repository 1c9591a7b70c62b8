#include "apps/serve/multipart.h"

#include <algorithm>

#include "io/text.h"

namespace gadolin::serve {
namespace {

std::string small(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string percent_decoded(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const int high = s[i] == '%' && i + 2 < s.size() ? hex_digit(s[i + 1]) : -1,
              low = high >= 0 ? hex_digit(s[i + 2]) : -1;
    out += low < 0 ? s[i] : static_cast<char>(16 * high + low);
    i += low < 0 ? 0 : 2;
  }
  return out;
}

// `form-data; name="file"; filename="a \"b\".png"` as the first word and its parameters, names in small
// letters.
struct Disposition {
  std::string type;
  Fields parameters;
};
Disposition disposition_of(std::string_view text) {
  Disposition out;
  const std::size_t first = std::min(text.find(';'), text.size());
  out.type = small(trimmed(text.substr(0, first)));
  for (std::size_t at = first; at < text.size();) {
    const std::size_t equal = text.find('=', ++at);
    if (equal == std::string_view::npos) break;
    const std::string name = small(trimmed(text.substr(at, equal - at)));
    std::string value;
    at = equal + 1;
    while (at < text.size() && text[at] == ' ') ++at;
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        // Browsers write %22 for a quote; a backslash before anything else belongs to the name.
        if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) ++at;
        value += text[at];
      }
      at = std::min(text.find(';', at), text.size());
    } else {
      const std::size_t end = std::min(text.find(';', at), text.size());
      value = trimmed(text.substr(at, end - at));
      at = end;
    }
    out.parameters.emplace_back(name, std::move(value));
  }
  return out;
}

HttpPart part_of(std::string_view header) {
  for (std::size_t at = 0; at < header.size();) {
    const std::size_t end = std::min(header.find("\r\n", at), header.size());
    const std::string_view line = header.substr(at, end - at);
    at = end + 2;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || small(trimmed(line.substr(0, colon))) != "content-disposition")
      continue;
    const Disposition found = disposition_of(line.substr(colon + 1));
    const std::string* name = field(found.parameters, "name");
    if (found.type != "form-data" || name == nullptr) break;
    HttpPart part{*name, "", {}};
    if (const std::string* file = field(found.parameters, "filename"))
      part.file = *file;
    else if (const std::string* coded = field(found.parameters, "filename*");
             coded != nullptr && std::count(coded->begin(), coded->end(), '\'') >= 2)
      part.file = percent_decoded(coded->substr(coded->find('\'', coded->find('\'') + 1) + 1));
    return part;
  }
  refuse(400, "form: a part has no Content-Disposition: form-data with a name; as in RFC 7578");
}

}  // namespace

std::string boundary_of(const std::string& content_type) {
  const Disposition type = disposition_of(content_type);
  if (type.type != "multipart/form-data")
    refuse(415, "Content-Type is ", content_type.empty() ? "missing" : utf8(content_type.substr(0, 100)),
           "; send multipart/form-data with a part file");
  const std::string* boundary = field(type.parameters, "boundary");
  if (boundary == nullptr || boundary->empty() || boundary->size() > 70 ||
      boundary->find_first_of("\r\n") != std::string::npos)
    refuse(400, "form: Content-Type states no boundary of 1 to 70 characters");
  return *boundary;
}

std::vector<HttpPart> read_multipart(Bytes body, const std::string& boundary, std::size_t most) {
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  const std::string line = "--" + boundary, between = "\r\n" + line;
  const auto cut = [] { refuse(400, "form: the body ends before its last boundary; was it sent whole?"); };
  // What stands before the first boundary is for nobody.
  std::size_t at = text.starts_with(line) ? line.size() : text.find(between);
  if (at == std::string_view::npos) cut();
  if (!text.starts_with(line)) at += between.size();
  std::vector<HttpPart> parts;
  for (;;) {
    if (text.substr(at, 2) == "--") return parts;
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
    if (text.substr(at, 2) != "\r\n") cut();
    const std::size_t header = at + 2;
    // A part without header lines begins with its empty line.
    const std::size_t end = text.substr(header, 2) == "\r\n" ? header : text.find("\r\n\r\n", header);
    if (end == std::string_view::npos) cut();
    if (end - header > 16384) refuse(400, "form: the header of a part has more than 16384 bytes");
    if (parts.size() == most) refuse(400, "form: more than ", most, " parts");
    HttpPart part = part_of(text.substr(header, end - header));
    const std::size_t begin = end == header ? header + 2 : end + 4;
    const std::size_t stop = text.find(between, begin < 2 ? begin : begin - 2);
    if (stop == std::string_view::npos) cut();
    if (stop >= begin) part.bytes = body.subspan(begin, stop - begin);
    parts.push_back(std::move(part));
    at = stop + between.size();
  }
}

}  // namespace gadolin::serve
