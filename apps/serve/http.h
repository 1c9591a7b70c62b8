// Requests and answers of HTTP, without a library: what routes are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.h"
#include "tensor/check.h"

namespace gadolin::serve {

using Fields = std::vector<std::pair<std::string, std::string>>;
// The first value of that name; nullptr without one.
const std::string* field(const Fields& fields, std::string_view name);

using Bytes = std::span<const std::uint8_t>;

// A part of a multipart/form-data body.
struct HttpPart {
  std::string name, file;  // of the field; that the client's file had, "" of none
  Bytes bytes;             // of the request's body
};

struct HttpRequest {
  std::string id;            // a UUID of version 4
  std::string method, path;  // "POST"; decoded, without the query
  Fields headers;            // names in small letters
  Fields captured;           // what stood in the places {name} of the route
  std::vector<std::uint8_t> body;
  std::vector<HttpPart> parts;  // of a body that is a form
  std::stop_token gone;         // asked to stop once the client has hung up

  const HttpPart* part(std::string_view name) const;  // the first one
  // Text of a field of the form, "" without it. Throws HttpRefusal (400) for one of more than 64 KiB.
  std::string text(std::string_view name) const;
};

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json", body;
  Fields headers;
};
HttpAnswer json_answer(const Json& json, int status = 200);
// {"request_id": ..., "error": ...}. 405 and 503 have the headers that go with them.
HttpAnswer error_answer(const std::string& id, int status, const std::string& error);

// A request that is refused: thrown by routes, seen by clients.
struct HttpRefusal {
  int status;
  std::string error;
  Fields headers;
};
template <class... Parts> [[noreturn]] void refuse(int status, const Parts&... parts) {
  throw HttpRefusal{status, cat(parts...), {}};
}
// What a client is told of an exception: the words of its own mistakes, and of ours that there was one. `log`
// gets the rest, empty where there is none.
HttpAnswer answer_of_exception(const std::string& id, const std::exception_ptr& error, std::string& log);

// How a request is dealt with, decided by its method, path and headers.
struct HttpPlan {
  enum class Body : std::uint8_t { none, form, raw } body = Body::none;
  // On the thread of connections, where nothing may wait, or on a worker.
  bool quick = false;
  std::string route;                            // "/v2/models/{model}/infer", for counters
  std::function<HttpAnswer(HttpRequest&)> run;  // may throw
};

// Random, of version 4 (RFC 9562).
std::string uuid();
// Bytes that are no UTF-8 replaced, for JSON.
std::string utf8(std::string_view text);
std::string dumped(const Json& json);             // any bytes in its texts
std::string percent_encoded(std::string_view s);  // for headers
// In time that depends on the length of `given` alone.
bool same_secret(std::string_view given, std::string_view secret);

}  // namespace gadolin::serve
