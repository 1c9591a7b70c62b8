// What SQLite, MariaDB/MySQL and PostgreSQL say differently: the whole of their SQL, as constants.
#pragma once

#include <string>
#include <vector>

#include "data/database/database.h"

namespace gadolin {

struct DatabaseDialect {
  const char* backend;               // SOCI's name
  std::vector<const char*> session;  // said once a connection
  std::vector<const char*> create;   // makes the table where it is missing
  const char* begin;                 // of a transaction that will write
  const char* upsert;                // :id :bodypart :patient_id :study_uid :modality :sha256 :image
  enum class Bytes { blob, text, hex } bytes;  // how the image is bound and read
  const char* largest;                         // query of the bytes of the largest statement, or nullptr
};
const DatabaseDialect& dialect_of(DatabaseKind kind);

// SOCI's connection string; it holds the password and never goes into a message.
std::string connection_string(const DatabaseAddress& address, bool read_only);

// Bytes of a statement with this image, as its dialect writes it.
std::int64_t statement_bytes(DatabaseDialect::Bytes how, const std::string& image);
std::string to_hex(const std::string& bytes);
// The text begins with "\x". Throws FormatError for anything else, and for an odd number of digits.
std::string from_hex(const std::string& text);

}  // namespace gadolin
