// A small HTTP/1.1 client over a socket, for measuring and testing servers: it also does what a client should
// not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gadolin {

struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in small letters
  std::string body;
  // The first of that name, "" without one.
  std::string header(std::string_view name) const;
};

struct FormPart {
  std::string name, file, bytes;  // file "": a plain field
};
// A body of multipart/form-data, and its Content-Type.
std::string form_body(const std::vector<FormPart>& parts);
extern const char* const form_type;

// One connection, which is kept open from request to request and opened again where the server has closed it.
// Every member throws FileError when the peer does not listen, hangs up, says something that is no HTTP, or
// is silent for `timeout` seconds.
class HttpClient {
 public:
  HttpClient(std::string host, int port, double timeout = 60);
  ~HttpClient();
  HttpClient(HttpClient&& other) noexcept;
  HttpClient& operator=(HttpClient&& other) noexcept;

  HttpReply get(const std::string& path) { return request("GET", path, {}, ""); }
  HttpReply post_form(const std::string& path, const std::vector<FormPart>& parts);
  HttpReply request(const std::string& method, const std::string& path,
                    const std::vector<std::pair<std::string, std::string>>& headers, std::string_view body);

  // The bytes themselves. False when the peer stopped taking them.
  bool send(std::string_view bytes);
  HttpReply reply(bool head = false);   // to HEAD, which has no body
  bool closed_by_peer(double seconds);  // within so long
  void close();
  // The whole text of a request, as send() takes it.
  std::string text_of(const std::string& method, const std::string& path,
                      const std::vector<std::pair<std::string, std::string>>& headers,
                      std::string_view body) const;

 private:
  void open();
  bool fill(double seconds);  // false: the peer has closed
  std::string host_;
  int port_, socket_ = -1;
  double timeout_;
  std::string read_;  // received and not used yet
};

// "http://127.0.0.1:2006" as host and port. Throws UsageError, naming `option`.
std::pair<std::string, int> host_and_port(const std::string& option, const std::string& url);

}  // namespace gadolin
