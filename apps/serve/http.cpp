#include "apps/serve/http.h"

#include <algorithm>
#include <mutex>
#include <random>

#include "io/sha256.h"
#include "tensor/check.h"

namespace gadolin::serve {

const std::string* field(const Fields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

const HttpPart* HttpRequest::part(std::string_view name) const {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const HttpPart& p) { return p.name == name; });
  return found == parts.end() ? nullptr : &*found;
}

std::string HttpRequest::text(std::string_view name) const {
  const HttpPart* found = part(name);
  if (found == nullptr) return "";
  if (found->bytes.size() > 65536)
    refuse(400, "field ", name, " has ", found->bytes.size(), " bytes; at most 65536 are read");
  return {found->bytes.begin(), found->bytes.end()};
}

HttpAnswer json_answer(const Json& json, int status) {
  return {status, "application/json", dumped(json) + "\n", {}};
}

HttpAnswer error_answer(const std::string& id, int status, const std::string& error) {
  HttpAnswer answer = json_answer({{"request_id", id}, {"error", error}}, status);
  if (status == 503) answer.headers.emplace_back("Retry-After", "1");
  if (status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

HttpAnswer answer_of_exception(const std::string& id, const std::exception_ptr& error, std::string& log) {
  try {
    std::rethrow_exception(error);
  } catch (const HttpRefusal& refusal) {
    HttpAnswer answer = error_answer(id, refusal.status, refusal.error);
    answer.headers.insert(answer.headers.end(), refusal.headers.begin(), refusal.headers.end());
    return answer;
  } catch (const Busy& busy) {
    return error_answer(id, 503, busy.what());
  } catch (const Error& fault) {
    // Contents of the client's files, and the client's words.
    if (fault.exit_code() == Exit::data) return error_answer(id, 422, fault.what());
    if (fault.exit_code() == Exit::usage) return error_answer(id, 400, fault.what());
    log = cat(fault.code(), ": ", fault.what());
  } catch (const std::bad_alloc&) {
    log = "out of memory";
  } catch (const std::exception& fault) {
    log = fault.what();
  }
  return error_answer(id, 500, "the server failed; its log has the details under this request_id");
}

std::string uuid() {
  static std::mutex mutex;
  static std::mt19937_64 random{[] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }()};
  const std::lock_guard lock(mutex);
  std::string text;
  for (const std::uint64_t bits :
       {(random() & ~0xf000ULL) | 0x4000ULL, (random() & ~(3ULL << 62)) | (2ULL << 62)}) {
    for (int nibble = 15; nibble >= 0; --nibble) {
      text += "0123456789abcdef"[bits >> (4 * nibble) & 15];
      if (text.size() == 8 || text.size() == 13 || text.size() == 18 || text.size() == 23) text += '-';
    }
  }
  return text;
}

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string utf8(std::string_view text) {
  return Json::parse(dumped(Json(std::string(text)))).get<std::string>();
}

std::string percent_encoded(std::string_view s) {
  std::string out;
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
        c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[byte >> 4];
      out += "0123456789ABCDEF"[byte & 15];
    }
  }
  return out;
}

bool same_secret(std::string_view given, std::string_view secret) {
  // Digests have one length, and what two of them share says nothing about the texts.
  const Sha256::Digest a = Sha256().update(given).digest(), b = Sha256().update(secret).digest();
  unsigned differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i) differ |= static_cast<unsigned>(a[i] ^ b[i]);
  return differ == 0;
}

}  // namespace gadolin::serve
