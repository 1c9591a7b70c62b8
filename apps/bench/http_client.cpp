#include "apps/bench/http_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "io/bytes.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr const char* boundary_text = "gadolin-7f3a91c2e5d84b06";

void lower_case(std::string& text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

const char* const form_type = "multipart/form-data; boundary=gadolin-7f3a91c2e5d84b06";

std::string HttpReply::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "";
}

std::string form_body(const std::vector<FormPart>& parts) {
  std::string body;
  for (const FormPart& part : parts) {
    body += cat("--", boundary_text, "\r\nContent-Disposition: form-data; name=\"", part.name, "\"");
    if (!part.file.empty())
      body += cat("; filename=\"", part.file, "\"\r\nContent-Type: application/octet-stream");
    body += "\r\n\r\n" + part.bytes + "\r\n";
  }
  return body + "--" + boundary_text + "--\r\n";
}

HttpClient::HttpClient(std::string host, int port, double timeout)
    : host_(std::move(host)), port_(port), timeout_(timeout) {}
HttpClient::~HttpClient() { close(); }
HttpClient::HttpClient(HttpClient&& other) noexcept
    : host_(std::move(other.host_)), port_(other.port_), socket_(std::exchange(other.socket_, -1)),
      timeout_(other.timeout_), read_(std::move(other.read_)) {}
HttpClient& HttpClient::operator=(HttpClient&& other) noexcept {
  std::swap(host_, other.host_);
  std::swap(port_, other.port_);
  std::swap(socket_, other.socket_);
  std::swap(timeout_, other.timeout_);
  std::swap(read_, other.read_);
  return *this;
}

void HttpClient::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  read_.clear();
}

void HttpClient::open() {
  if (socket_ >= 0) return;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unknown = getaddrinfo(host_.c_str(), std::to_string(port_).c_str(), &hints, &found);
  require<FileError>(unknown == 0, "http: host ", printable(host_), " is not known; see --url");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  socket_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(socket_, found->ai_addr, found->ai_addrlen) == 0) return;
  const int error = errno;
  close();
  fail<FileError>("http: nothing listens on ", printable(host_), " port ", port_, " (", std::strerror(error),
                  "); start gadolin serve, or see --url");
}

bool HttpClient::send(std::string_view bytes) {
  open();
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    // An answer may be there all the same: a server need not read what it refuses.
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool HttpClient::fill(double seconds) {
  pollfd wait{socket_, POLLIN, 0};
  const int ready = poll(&wait, 1, static_cast<int>(seconds * 1000));
  require<FileError>(ready > 0, "http: ", printable(host_), " port ", port_, " said nothing for ", seconds,
                     " s; is it busy?");
  char piece[65536];
  const ssize_t count = recv(socket_, piece, sizeof piece, 0);
  if (count <= 0) return false;
  read_.append(piece, static_cast<std::size_t>(count));
  return true;
}

HttpReply HttpClient::reply(bool head) {
  const auto need = [&](bool more) {
    require<FileError>(more, "http: ", printable(host_), " port ", port_,
                       " hung up before its answer was whole; see its log");
  };
  HttpReply answer;
  for (;;) {
    std::size_t end;
    while ((end = read_.find("\r\n\r\n")) == std::string::npos) need(fill(timeout_));
    const std::string header = read_.substr(0, end + 2);
    read_.erase(0, end + 4);
    require<FileError>(header.starts_with("HTTP/1.") && header.size() > 12, "http: ", printable(host_),
                       " port ", port_, " does not speak HTTP; see --url");
    answer.status = std::atoi(header.c_str() + 9);
    answer.headers.clear();
    for (std::size_t at = header.find("\r\n") + 2; at < header.size();) {
      const std::size_t stop = header.find("\r\n", at), colon = std::min(header.find(':', at), stop);
      std::string name = header.substr(at, colon - at);
      lower_case(name);
      std::string value = header.substr(std::min(colon + 1, stop), stop - std::min(colon + 1, stop));
      value.erase(0, std::min(value.find_first_not_of(' '), value.size()));
      answer.headers.emplace_back(std::move(name), std::move(value));
      at = stop + 2;
    }
    if (answer.status != 100) break;
  }
  const std::size_t length =
      head ? 0 : static_cast<std::size_t>(std::atoll(("0" + answer.header("content-length")).c_str()));
  while (read_.size() < length) need(fill(timeout_));
  answer.body = read_.substr(0, length);
  read_.erase(0, length);
  std::string connection = answer.header("connection");
  lower_case(connection);
  if (connection == "close") close();
  return answer;
}

bool HttpClient::closed_by_peer(double seconds) {
  pollfd wait{socket_, POLLIN, 0};
  char byte;
  while (poll(&wait, 1, static_cast<int>(seconds * 1000)) > 0)
    if (recv(socket_, &byte, 1, 0) <= 0) return true;
  return false;
}

std::string HttpClient::text_of(const std::string& method, const std::string& path,
                                const std::vector<std::pair<std::string, std::string>>& headers,
                                std::string_view body) const {
  std::string text = cat(method, " ", path, " HTTP/1.1\r\nHost: ", host_, "\r\n");
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST") text += cat("Content-Length: ", body.size(), "\r\n");
  return text + "\r\n" + std::string(body);
}

HttpReply HttpClient::request(const std::string& method, const std::string& path,
                              const std::vector<std::pair<std::string, std::string>>& headers,
                              std::string_view body) {
  const std::string text = text_of(method, path, headers, body);
  const bool kept = socket_ >= 0;
  send(text);
  // A server may end a kept connection just as it is used again, and then has read nothing of it (RFC
  // 9112, 9.3.1).
  if (kept && read_.empty() && !fill(timeout_)) {
    close();
    send(text);
  }
  return reply(method == "HEAD");
}

HttpReply HttpClient::post_form(const std::string& path, const std::vector<FormPart>& parts) {
  return request("POST", path, {{"Content-Type", form_type}}, form_body(parts));
}

std::pair<std::string, int> host_and_port(const std::string& option, const std::string& url) {
  std::string_view rest = url;
  const bool plain = rest.starts_with("http://");
  if (plain) rest.remove_prefix(7);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t colon = rest.rfind(':');
  const std::string port(colon == std::string_view::npos ? "80" : rest.substr(colon + 1));
  const bool number =
      !port.empty() && port.size() < 6 && port.find_first_not_of("0123456789") == std::string::npos;
  require<UsageError>(plain && !rest.empty() && number, option, " ", printable(url),
                      " is no address of a server; give one such as http://127.0.0.1:2006");
  return {std::string(rest.substr(0, colon)), std::stoi(port)};
}

}  // namespace gadolin
