// DICOM images in a database: an SQLite file, MariaDB/MySQL or PostgreSQL behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gadolin {

// Whether this build has a database (CMake option GADOLIN_DATABASE); require_database throws Unsupported with
// the way out.
bool database_available();
void require_database(const char* op);

enum class DatabaseKind { sqlite, mysql, postgresql };

// Where a database is, and the user. The password comes from the environment or an option file, never from
// the URL.
struct DatabaseAddress {
  DatabaseKind kind = DatabaseKind::sqlite;
  std::string path;  // the file of SQLite
  std::string host, socket, database, user, password;
  int port = 0;               // 0: the server's usual one
  std::string shown() const;  // for messages: without user and password
};

// `url`: a file name or sqlite:FILE; mysql:// or mariadb://[USER@][HOST[:PORT]]/DATABASE, postgresql:// or
// postgres:// likewise, with ?socket=PATH for a socket (PostgreSQL: its folder). %XX stands for a byte. What
// the URL leaves open is taken from GADOLIN_DATABASE_USER and GADOLIN_DATABASE_PASSWORD, then from
// `option_file`: user, password, host, port, socket and database of its section [client], as MariaDB's own
// programs read them. Throws UsageError for a URL that is not understood or holds a password, and for an
// option file that other users can read; FileError when it cannot be read.
DatabaseAddress database_address(const std::string& url, const std::string& option_file = "");

// A row of the table `images`. Empty patient_id, study_uid, modality and sha256 are NULL.
struct ImageRow {
  std::string id;        // SOPInstanceUID, the primary key; 1 to 64 characters, like the others
  std::string bodypart;  // not empty
  std::string patient_id, study_uid, modality, sha256;
  std::string image;  // the unchanged DICOM file
};

// One connection; use it from one thread at a time. Every value is bound to its statement, none is part of
// its text. Errors of the server or the file are FileError; no message holds a value of a row.
class ImageDatabase {
 public:
  // create: makes what is missing, the file and the table. read: nothing is changed, and a missing table is
  // an error.
  enum class Mode { create, read };
  ImageDatabase(const DatabaseAddress& address, Mode mode);
  ~ImageDatabase();
  ImageDatabase(ImageDatabase&&) noexcept;
  ImageDatabase& operator=(ImageDatabase&&) noexcept;

  // Inserts, or replaces rows of the same id, in one transaction: all of them or, after an error, none. A row
  // whose id is there with the same sha256 is left alone. Waits for other writers, up to a minute. Throws
  // DataError for a row that does not fit (before anything is sent; see misfit) and for one that is larger
  // than the server takes.
  struct Written {
    std::int64_t inserted = 0, updated = 0, unchanged = 0;
  };
  Written write(std::span<const ImageRow> rows);
  // Why a row cannot be stored, or "": id or bodypart empty, or a column of more than 64 characters.
  static std::string misfit(const ImageRow& row);
  // The bytes of the largest statement: max_allowed_packet of MariaDB and MySQL, 1 GB elsewhere.
  std::int64_t largest_statement() const;

  // Up to `limit` rows of a body part without their images, in order of id, after `after`.
  std::vector<ImageRow> list(const std::string& bodypart, const std::string& after, int limit);
  // The file; nothing when the row is gone.
  std::optional<std::string> image(const std::string& id);
  // Every body part and how many images it has, by name.
  std::vector<std::pair<std::string, std::int64_t>> body_parts();

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace gadolin
