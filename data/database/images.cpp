// The table of images, through SOCI.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "data/database/database.h"
#include "data/database/dialect.h"
#include "data/image/image.h"
#include "tensor/check.h"

#ifdef GADOLIN_SOCI
// SOCI was built with Boost, but only its templates for Boost's own types ask for Boost's headers.
#include <soci/soci-config.h>
#undef SOCI_HAVE_BOOST
#undef SOCI_HAVE_BOOST_DATE_TIME
#include <soci/soci.h>

// The backends' own headers would ask for those of SQLite, MariaDB and PostgreSQL.
namespace soci {
extern "C" {
const backend_factory* factory_sqlite3();
const backend_factory* factory_mysql();
const backend_factory* factory_postgresql();
}
}  // namespace soci
#endif

namespace gadolin {

void require_database(const char* op) {
  require<Unsupported, 70>(
      database_available(), op,
      ": this build has no database; apt-get install libsoci-dev, then configure with -DGADOLIN_DATABASE=ON");
}

std::string ImageDatabase::misfit(const ImageRow& row) {
  const auto characters = [](const std::string& text) {
    std::size_t n = 0;
    for (const char c : text) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return n;
  };
  if (row.id.empty()) return "no SOPInstanceUID";
  if (row.bodypart.empty()) return "no BodyPartExamined";
  const std::pair<const char*, const std::string*> columns[] = {
      {"SOPInstanceUID", &row.id},    {"BodyPartExamined", &row.bodypart},
      {"PatientID", &row.patient_id}, {"StudyInstanceUID", &row.study_uid},
      {"Modality", &row.modality},    {"SHA-256", &row.sha256}};
  for (const auto& [name, value] : columns) {
    if (characters(*value) > 64) return std::string(name) + " has more than 64 characters";
  }
  return "";
}

#ifndef GADOLIN_SOCI

bool database_available() { return false; }
struct ImageDatabase::Connection {};
ImageDatabase::ImageDatabase(const DatabaseAddress&, Mode) { require_database("database"); }
ImageDatabase::Written ImageDatabase::write(std::span<const ImageRow>) { return {}; }
std::int64_t ImageDatabase::largest_statement() const { return 0; }
std::vector<ImageRow> ImageDatabase::list(const std::string&, const std::string&, int) { return {}; }
std::optional<std::string> ImageDatabase::image(const std::string&) { return {}; }
std::vector<std::pair<std::string, std::int64_t>> ImageDatabase::body_parts() { return {}; }

#else

namespace {

constexpr auto patience = std::chrono::seconds(60);
constexpr std::int64_t usual_limit = 1'000'000'000;  // of a value in SQLite; PostgreSQL has 1 GiB

using soci::into;
using soci::use;

bool holds(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Other writers were in the way: the same transaction may succeed when it is tried again.
bool passes(const std::string& message) {
  for (const char* part :
       {"database is locked", "database table is locked", "Deadlock found", "Lock wait timeout",
        "deadlock detected", "could not serialize", "lock timeout", "pg_type_typname_nsp_index",
        "pg_class_relname_nsp_index", "tuple concurrently updated", "Record has changed since last read"}) {
    if (holds(message, part)) return true;
  }
  return false;
}

// The server's own words, one line, without values of the row.
std::string plain(const soci::soci_error& error, const ImageRow* row) {
  std::string text = error.get_error_message();  // what() would add the values bound
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (const char* front : {"sqlite3_statement_backend::prepare: ", "sqlite3_statement_backend::loadOne: ",
                            "sqlite3_statement_backend::loadRS: "}) {
    if (text.starts_with(front)) text.erase(0, std::strlen(front));
  }
  if (row != nullptr) {
    for (const std::string* value :
         {&row->id, &row->bodypart, &row->patient_id, &row->study_uid, &row->modality, &row->sha256}) {
      if (value->empty()) continue;
      for (std::size_t at; (at = text.find(*value)) != std::string::npos;)
        text.replace(at, value->size(), "...");
    }
  }
  return printable(text);
}

soci::indicator present(const std::string& text) { return text.empty() ? soci::i_null : soci::i_ok; }

}  // namespace

bool database_available() { return true; }

struct ImageDatabase::Connection {
  DatabaseAddress address;
  const DatabaseDialect& dialect;
  soci::session sql;
  std::int64_t largest = usual_limit;

  Connection(const DatabaseAddress& a, Mode mode) : address(a), dialect(dialect_of(a.kind)) {
    const bool file = a.kind == DatabaseKind::sqlite, create = mode == Mode::create;
    std::error_code error;
    require<FileError, 70>(!file || create || std::filesystem::exists(a.path, error), "database: ", a.shown(),
                           " does not exist; gadolin bodypart create-database makes it");
    const soci::backend_factory& backend = file                            ? *soci::factory_sqlite3()
                                           : a.kind == DatabaseKind::mysql ? *soci::factory_mysql()
                                                                           : *soci::factory_postgresql();
    guarded("cannot be opened", [&] { sql.open(backend, connection_string(a, !create)); });
    guarded("refused to begin", [&] {
      for (const char* text : dialect.session) sql << text;
    });
    if (create)
      patiently("has no table images and refused to make it", nullptr, [&] {
        for (const char* text : dialect.create) sql << text;
      });
    guarded(
        "has no table images with the columns id, bodypart, patient_id, study_uid, modality, sha256 and "
        "image",
        [&] {
          sql << "SELECT id, bodypart, patient_id, study_uid, modality, sha256, image FROM images WHERE 1 = "
                 "0";
        });
    if (dialect.largest != nullptr)
      guarded("does not tell its max_allowed_packet", [&] { sql << dialect.largest, into(largest); });
  }

  [[noreturn]] void refuse(const std::string& what, const soci::soci_error& error,
                           const ImageRow* row = nullptr) const {
    fail<FileError, 70>("database: ", address.shown(), " ", what, ": ", plain(error, row));
  }
  void guarded(const char* what, const std::function<void()>& work) const {
    try {
      work();
    } catch (const soci::soci_error& error) {
      refuse(what, error);
    }
  }
  // Tries again when others were in the way. `row` points to what is being written.
  void patiently(const char* what, const ImageRow* const* row, const std::function<void()>& work) const {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0;; ++i) {
      try {
        return work();
      } catch (const soci::soci_error& error) {
        const bool late = std::chrono::steady_clock::now() - begin > patience;
        if (late || !passes(error.get_error_message())) refuse(what, error, row == nullptr ? nullptr : *row);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10 << std::min(i, 7)));
    }
  }

  void store(const ImageRow& row, Written& done) {
    soci::indicator known = soci::i_ok;
    std::string sha256;
    sql << "SELECT sha256 FROM images WHERE id = :id", use(row.id, "id"), into(sha256, known);
    const bool there = sql.got_data();
    if (there && known == soci::i_ok && !row.sha256.empty() && sha256 == row.sha256) {
      ++done.unchanged;
      return;
    }
    soci::indicator patient = present(row.patient_id), study = present(row.study_uid),
                    modality = present(row.modality), sha = present(row.sha256);
    const auto run = [&](auto&& image) {
      sql << dialect.upsert, use(row.id, "id"), use(row.bodypart, "bodypart"),
          use(row.patient_id, patient, "patient_id"), use(row.study_uid, study, "study_uid"),
          use(row.modality, modality, "modality"), use(row.sha256, sha, "sha256"), use(image, "image");
    };
    if (dialect.bytes == DatabaseDialect::Bytes::blob) {
      soci::blob image(sql);
      image.append(row.image.data(), row.image.size());
      run(image);
    } else if (dialect.bytes == DatabaseDialect::Bytes::hex) {
      const std::string image = to_hex(row.image);
      run(image);
    } else {
      run(row.image);
    }
    ++(there ? done.updated : done.inserted);
  }

  Written transaction(std::span<const ImageRow> rows, const ImageRow** at) {
    Written done;
    sql << dialect.begin;
    try {
      for (const ImageRow& row : rows) {
        *at = &row;
        store(row, done);
      }
      *at = nullptr;
      sql << "COMMIT";
    } catch (...) {
      try {
        sql << "ROLLBACK";
      } catch (const soci::soci_error&) {
        // The connection is gone or the server has rolled back by itself: nothing of this transaction stays
        // either way.
      }
      throw;
    }
    return done;
  }
};

ImageDatabase::ImageDatabase(const DatabaseAddress& address, Mode mode)
    : connection_(std::make_unique<Connection>(address, mode)) {}

std::int64_t ImageDatabase::largest_statement() const { return connection_->largest; }

ImageDatabase::Written ImageDatabase::write(std::span<const ImageRow> rows) {
  Connection& c = *connection_;
  for (const ImageRow& row : rows) {
    const std::string why = misfit(row);
    require<DataError, 70>(why.empty(), "database: a row does not fit: ", why);
    const std::int64_t need = statement_bytes(c.dialect.bytes, row.image);
    require<DataError, 71>(c.dialect.largest != nullptr || need <= c.largest, "database: an image of ",
                           human_bytes(static_cast<std::int64_t>(row.image.size())), " is larger than ",
                           c.address.shown(), " takes");
    std::int64_t enough = 1 << 20;
    while (enough < need && enough < 1 << 30) enough *= 2;
    require<DataError, 71>(
        need <= c.largest, "database: an image of ", human_bytes(static_cast<std::int64_t>(row.image.size())),
        " is a statement of ", human_bytes(need), ", and max_allowed_packet of ", c.address.shown(), " is ",
        human_bytes(c.largest), "; set max_allowed_packet=", enough >> 20,
        "M below [mysqld] in the server's option file, or let its administrator run SET GLOBAL "
        "max_allowed_packet = ",
        enough);
  }
  Written done;
  const ImageRow* at = nullptr;
  c.patiently("did not take the images", &at, [&] { done = c.transaction(rows, &at); });
  return done;
}

std::vector<ImageRow> ImageDatabase::list(const std::string& bodypart, const std::string& after, int limit) {
  Connection& c = *connection_;
  std::vector<ImageRow> rows;
  c.guarded("does not list its images", [&] {
    ImageRow r;
    const std::string from =
        after.empty() ? "\x01" : after;  // not "": MariaDB pads it with blanks, which are above a tab
    soci::indicator patient = soci::i_ok, study = soci::i_ok, modality = soci::i_ok, sha256 = soci::i_ok;
    soci::statement query =
        (c.sql.prepare << "SELECT id, bodypart, patient_id, study_uid, modality, sha256 FROM images "
                          "WHERE bodypart = :bodypart AND id > :after ORDER BY id LIMIT :count",
         use(bodypart, "bodypart"), use(from, "after"), use(limit, "count"), into(r.id), into(r.bodypart),
         into(r.patient_id, patient), into(r.study_uid, study), into(r.modality, modality),
         into(r.sha256, sha256));
    query.execute();
    while (query.fetch()) {
      rows.push_back(r);
      const std::pair<soci::indicator, std::string*> columns[] = {{patient, &rows.back().patient_id},
                                                                  {study, &rows.back().study_uid},
                                                                  {modality, &rows.back().modality},
                                                                  {sha256, &rows.back().sha256}};
      for (const auto& [indicator, value] : columns)
        if (indicator == soci::i_null) value->clear();
    }
  });
  return rows;
}

std::optional<std::string> ImageDatabase::image(const std::string& id) {
  Connection& c = *connection_;
  constexpr const char* query = "SELECT image FROM images WHERE id = :id";
  std::optional<std::string> out;
  c.guarded("does not give an image", [&] {
    if (c.dialect.bytes == DatabaseDialect::Bytes::blob) {
      soci::blob bytes(c.sql);
      c.sql << query, use(id, "id"), into(bytes);
      if (!c.sql.got_data()) return;
      out.emplace(bytes.get_len(), '\0');
      if (!out->empty()) bytes.read(0, out->data(), out->size());
      return;
    }
    std::string text;
    c.sql << query, use(id, "id"), into(text);
    if (c.sql.got_data())
      out = c.dialect.bytes == DatabaseDialect::Bytes::hex ? from_hex(text) : std::move(text);
  });
  return out;
}

std::vector<std::pair<std::string, std::int64_t>> ImageDatabase::body_parts() {
  Connection& c = *connection_;
  std::vector<std::pair<std::string, std::int64_t>> out;
  c.guarded("does not list its body parts", [&] {
    std::string name;
    long long count = 0;
    soci::statement query =
        (c.sql.prepare << "SELECT bodypart, COUNT(*) FROM images GROUP BY bodypart ORDER BY bodypart",
         into(name), into(count));
    query.execute();
    while (query.fetch()) out.emplace_back(name, count);
  });
  return out;
}

#endif

ImageDatabase::~ImageDatabase() = default;
ImageDatabase::ImageDatabase(ImageDatabase&&) noexcept = default;
ImageDatabase& ImageDatabase::operator=(ImageDatabase&&) noexcept = default;

}  // namespace gadolin
