// URLs and credentials of databases.
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "data/database/database.h"
#include "data/image/image.h"
#include "io/atomic_file.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::int64_t option_file_limit = 1 << 20;

int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

std::string percent_decoded(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1,
              low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    const int byte = 16 * high + low;
    require<UsageError>(
        high >= 0 && low >= 0 && byte > 0,
        "database: the URL has a % without two hex digits of a byte behind it; write %25 for %");
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

int port_of(const std::string& text, const std::string& where) {
  const bool digits =
      !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos;
  const int port = digits ? std::stoi(text) : 0;
  require<UsageError>(port >= 1 && port <= 65535, "database: ", where, " has the port '", printable(text),
                      "', 1 to 65535 are possible");
  return port;
}

DatabaseAddress file_address(const std::string& path) {
  DatabaseAddress a;
  a.path = path;
  require<UsageError>(!path.empty(), "database: the URL names no file; sqlite:bodypart.db does");
  bool plain = true;
  for (const char c : path) plain = plain && static_cast<unsigned char>(c) >= 0x20 && c != '"';
  require<UsageError>(
      plain, "database: ", printable(path),
      " has a quote or a control character in its name, which SQLite's connection cannot take");
  return a;
}

DatabaseAddress server_address(DatabaseKind kind, std::string rest) {
  DatabaseAddress a;
  a.kind = kind;
  std::string query;
  if (const std::size_t at = rest.find('?'); at != std::string::npos) {
    query = rest.substr(at + 1);
    rest.resize(at);
  }
  const std::size_t slash = rest.find('/');
  std::string authority = rest.substr(0, slash);
  if (slash != std::string::npos) a.database = percent_decoded(rest.substr(slash + 1));
  if (const std::size_t at = authority.rfind('@'); at != std::string::npos) {
    const std::string user = authority.substr(0, at);
    require<UsageError>(user.find(':') == std::string::npos,
                        "database: the URL holds a password, which others on this machine can read; leave "
                        "it out and set GADOLIN_DATABASE_PASSWORD or name an option file with --credentials");
    a.user = percent_decoded(user);
    authority.erase(0, at + 1);
  }
  if (const std::size_t colon = authority.rfind(':');
      colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
    a.port = port_of(authority.substr(colon + 1), "the URL");
    authority.resize(colon);
  }
  if (authority.size() > 1 && authority.front() == '[' && authority.back() == ']')
    authority = authority.substr(1, authority.size() - 2);
  a.host = percent_decoded(authority);
  std::istringstream parts(query);
  for (std::string part; std::getline(parts, part, '&');) {
    const std::string key = part.substr(0, part.find('='));
    require<UsageError>(
        key != "password" && key != "pass" && key != "pwd",
        "database: the URL holds a password, which others on this machine can "
        "read; leave it out and set GADOLIN_DATABASE_PASSWORD or name an option file with --credentials");
    require<UsageError>(key == "socket" && part.size() > 7, "database: the URL has the option '",
                        printable(key), "'; only socket=PATH is known");
    a.socket = percent_decoded(part.substr(7));
  }
  return a;
}

// key -> value of [client]: `key = value`, quotes around a value are taken off, # and ; begin comments.
std::map<std::string, std::string> client_options(const std::string& path) {
  struct ::stat facts {};
  if (::stat(path.c_str(), &facts) != 0) fail_file("database", printable(path), errno);
  require<UsageError>((facts.st_mode & 077) == 0, "database: ", printable(path),
                      " can be read by other users; chmod 600 keeps its password to you");
  std::map<std::string, std::string> options;
  std::istringstream lines(read_file(path, option_file_limit));
  bool client = false;
  for (std::string line; std::getline(lines, line);) {
    line = std::string(trimmed(line));
    if (line.empty() || line[0] == '#' || line[0] == ';' || line[0] == '!') continue;
    if (line[0] == '[') {
      client = line == "[client]";
      continue;
    }
    if (!client) continue;
    const std::size_t at = line.find('=');
    std::string value =
        at == std::string::npos ? "" : std::string(trimmed(std::string_view(line).substr(at + 1)));
    if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
      value = value.substr(1, value.size() - 2);
    options[std::string(trimmed(std::string_view(line).substr(0, at)))] = value;
  }
  return options;
}

void fill(std::string& value, const std::string& from) {
  if (value.empty()) value = from;
}

void add_credentials(DatabaseAddress& a, const std::string& option_file) {
  const auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  fill(a.user, environment("GADOLIN_DATABASE_USER"));
  fill(a.password, environment("GADOLIN_DATABASE_PASSWORD"));
  if (option_file.empty()) return;
  auto options = client_options(option_file);
  fill(a.user, options["user"]);
  fill(a.password, options["password"]);
  fill(a.database, options["database"]);
  if (a.host.empty() && a.socket.empty()) a.socket = options["socket"];
  if (a.port == 0 && a.host.empty() && !options["port"].empty())
    a.port = port_of(options["port"], printable(option_file));
  fill(a.host, options["host"]);
}

}  // namespace

std::string DatabaseAddress::shown() const {
  if (kind == DatabaseKind::sqlite) return printable(path);
  std::string out = kind == DatabaseKind::mysql ? "mysql://" : "postgresql://";
  out += printable(host) + (port == 0 ? "" : ":" + std::to_string(port)) + "/" + printable(database);
  return socket.empty() ? out : out + "?socket=" + printable(socket);
}

DatabaseAddress database_address(const std::string& url, const std::string& option_file) {
  require<UsageError>(url.find('\0') == std::string::npos, "database: the URL has a NUL byte");
  const std::size_t colon = url.find(':');
  const std::string scheme = url.substr(0, colon == std::string::npos ? 0 : colon);
  const bool slashes = colon != std::string::npos && url.compare(colon, 3, "://") == 0;
  const std::string rest = colon == std::string::npos ? url : url.substr(colon + (slashes ? 3 : 1));
  if (scheme == "sqlite") return file_address(rest);
  const bool mysql = scheme == "mysql" || scheme == "mariadb",
             postgresql = scheme == "postgresql" || scheme == "postgres";
  if (!slashes && !mysql && !postgresql) return file_address(url);
  require<UsageError>(slashes && (mysql || postgresql), "database: the URL begins with ", printable(scheme),
                      ":, which is no kind of database here; use a file name, mysql://USER@HOST/DATABASE or "
                      "postgresql://USER@HOST/DATABASE");
  DatabaseAddress a = server_address(mysql ? DatabaseKind::mysql : DatabaseKind::postgresql, rest);
  add_credentials(a, option_file);
  require<UsageError>(!a.database.empty(), "database: ", a.shown(),
                      " names no database; write it behind the host: mysql://HOST/DATABASE");
  for (const std::string* value : {&a.host, &a.socket, &a.database, &a.user, &a.password}) {
    require<UsageError>(value->find('\0') == std::string::npos,
                        "database: user, password, host, socket and database cannot hold a NUL byte");
  }
  return a;
}

}  // namespace gadolin
