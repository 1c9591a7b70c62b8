// SQL texts and connection strings of the three kinds of database.
#include "data/database/dialect.h"

#include <filesystem>

#include "tensor/check.h"

namespace gadolin {
namespace {

// The image comes last: SQLite would walk through it to reach a column behind. `id` is compared byte by byte
// everywhere.
constexpr const char* sqlite_table =
    "CREATE TABLE IF NOT EXISTS images (id VARCHAR(64) NOT NULL PRIMARY KEY, bodypart VARCHAR(64) NOT NULL, "
    "patient_id VARCHAR(64), "
    "study_uid VARCHAR(64), modality VARCHAR(64), sha256 VARCHAR(64), image BLOB NOT NULL)";
constexpr const char* mysql_table =
    "CREATE TABLE IF NOT EXISTS images (id VARCHAR(64) NOT NULL PRIMARY KEY, bodypart VARCHAR(64) NOT NULL, "
    "patient_id VARCHAR(64), "
    "study_uid VARCHAR(64), modality VARCHAR(64), sha256 VARCHAR(64), image LONGBLOB NOT NULL, INDEX "
    "images_bodypart (bodypart, id)) "
    "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE InnoDB";
constexpr const char* postgresql_table =
    "CREATE TABLE IF NOT EXISTS images (id VARCHAR(64) COLLATE \"C\" NOT NULL PRIMARY KEY, bodypart "
    "VARCHAR(64) COLLATE \"C\" NOT NULL, "
    "patient_id VARCHAR(64), study_uid VARCHAR(64), modality VARCHAR(64), sha256 VARCHAR(64), image BYTEA "
    "NOT NULL)";
constexpr const char* create_index = "CREATE INDEX IF NOT EXISTS images_bodypart ON images (bodypart, id)";

#define GADOLIN_INSERT                                                                              \
  "INSERT INTO images (id, bodypart, patient_id, study_uid, modality, sha256, image) VALUES (:id, " \
  ":bodypart, :patient_id, "                                                                        \
  ":study_uid, :modality, :sha256, "
#define GADOLIN_EXCLUDED                                                                              \
  ") ON CONFLICT (id) DO UPDATE SET bodypart = excluded.bodypart, patient_id = excluded.patient_id, " \
  "study_uid = "                                                                                      \
  "excluded.study_uid, modality = excluded.modality, sha256 = excluded.sha256, image = excluded.image"

// Pages of 32 KiB: an image of a megabyte is 32 of them, not 256. They take effect in a new file only. A
// batch stays in the cache until it is committed, so other connections can read meanwhile.
const DatabaseDialect sqlite_dialect{"sqlite3",
                                     {"PRAGMA page_size = 32768", "PRAGMA cache_size = -131072"},
                                     {sqlite_table, create_index},
                                     "BEGIN IMMEDIATE",
                                     GADOLIN_INSERT ":image" GADOLIN_EXCLUDED,
                                     DatabaseDialect::Bytes::blob,
                                     nullptr};
// Strictness and escaping do not depend on the server's settings; without gap locks writers rarely wait for
// one another.
const DatabaseDialect mysql_dialect{
    "mysql",
    {"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
     "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET SESSION innodb_lock_wait_timeout = 60"},
    {mysql_table},
    "START TRANSACTION",
    GADOLIN_INSERT
    "_binary :image) ON DUPLICATE KEY UPDATE bodypart = VALUES(bodypart), patient_id = VALUES(patient_id), "
    "study_uid = VALUES(study_uid), modality = VALUES(modality), sha256 = VALUES(sha256), image = "
    "VALUES(image)",
    DatabaseDialect::Bytes::text,
    "SELECT @@max_allowed_packet"};
const DatabaseDialect postgresql_dialect{
    "postgresql",
    {"SET bytea_output = 'hex'", "SET client_encoding = 'UTF8'", "SET standard_conforming_strings = on",
     "SET lock_timeout = '60s'", "SET client_min_messages = 'error'"},
    {postgresql_table, create_index},
    "BEGIN",
    GADOLIN_INSERT "decode(:image, 'hex')" GADOLIN_EXCLUDED,
    DatabaseDialect::Bytes::hex,
    nullptr};
#undef GADOLIN_INSERT
#undef GADOLIN_EXCLUDED

// 'value' of SOCI's connection string for MariaDB.
void add(std::string& out, const char* key, const std::string& value) {
  if (value.empty()) return;
  out += std::string(out.empty() ? "" : " ") + key + "='";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  out += '\'';
}

std::string percent_encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    out += plain ? std::string(1, c) : "%" + to_hex(std::string(1, c));
  }
  return out;
}

// A URI: SOCI takes blanks out of the other form, quoted or not.
std::string postgresql_uri(const DatabaseAddress& a) {
  std::string out = "postgresql://" + percent_encoded(a.user) +
                    (a.password.empty() ? "" : ":" + percent_encoded(a.password));
  if (!a.user.empty() || !a.password.empty()) out += '@';
  if (a.socket.empty())
    out += a.host.find(':') == std::string::npos ? percent_encoded(a.host) : "[" + a.host + "]";
  if (a.socket.empty() && a.port != 0) out += ":" + std::to_string(a.port);
  out += "/" + percent_encoded(a.database) + "?connect_timeout=20";
  if (!a.socket.empty())
    out += "&host=" + percent_encoded(a.socket) + (a.port == 0 ? "" : "&port=" + std::to_string(a.port));
  return out;
}

}  // namespace

const DatabaseDialect& dialect_of(DatabaseKind kind) {
  return kind == DatabaseKind::sqlite  ? sqlite_dialect
         : kind == DatabaseKind::mysql ? mysql_dialect
                                       : postgresql_dialect;
}

std::string connection_string(const DatabaseAddress& a, bool read_only) {
  if (a.kind == DatabaseKind::sqlite) {
    return "dbname=\"" + std::filesystem::absolute(a.path).string() + "\" timeout=10" +
           (read_only ? " readonly=true" : "");
  }
  if (a.kind == DatabaseKind::postgresql) return postgresql_uri(a);
  std::string out;
  add(out, "dbname", a.database);
  add(out, "user", a.user);
  add(out, "password", a.password);
  add(out, "host", a.host);
  add(out, "unix_socket", a.socket);
  add(out, "port", a.port == 0 ? "" : std::to_string(a.port));
  add(out, "connect_timeout", "20");
  add(out, "charset", "utf8mb4");
  return out;
}

std::int64_t statement_bytes(DatabaseDialect::Bytes how, const std::string& image) {
  constexpr std::int64_t text = 4096;  // the statement itself and the other values, escaped
  auto bytes = static_cast<std::int64_t>(image.size());
  if (how == DatabaseDialect::Bytes::hex) bytes *= 2;
  if (how == DatabaseDialect::Bytes::text) {
    for (const char c : image)
      bytes += c == '\0' || c == '\n' || c == '\r' || c == '\\' || c == '\'' || c == '"' || c == '\x1a';
  }
  return bytes + text;
}

std::string to_hex(const std::string& bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out(bytes.size() * 2, '0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto b = static_cast<unsigned char>(bytes[i]);
    out[2 * i] = digits[b >> 4];
    out[2 * i + 1] = digits[b & 15];
  }
  return out;
}

std::string from_hex(const std::string& text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  bool good = text.size() % 2 == 0 && text.starts_with("\\x");
  std::string out(good ? text.size() / 2 - 1 : 0, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit(text[2 * i + 2]), low = digit(text[2 * i + 3]);
    good = good && high >= 0 && low >= 0;
    out[i] = static_cast<char>(16 * high + low);
  }
  require<FormatError>(good, "database: an image does not come as hex digits");
  return out;
}

}  // namespace gadolin
