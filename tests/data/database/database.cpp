// The table of images on SQLite, on a MariaDB and on a PostgreSQL server that the test starts: the same
// checks on each.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <thread>

#include "data/database/database.h"
#include "io/sha256.h"
#include "tensor/check.h"
#include "tests/data/database/database_server.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {

using Mode = ImageDatabase::Mode;

ImageRow row(const std::string& id, const std::string& bodypart, const std::string& image,
             const std::string& patient = "P1") {
  return {id, bodypart, patient, "1.2.3", "CR", sha256_hex(image), image};
}
void expect(const ImageDatabase::Written& w, std::int64_t inserted, std::int64_t updated,
            std::int64_t unchanged) {
  EXPECT_EQ(w.inserted, inserted);
  EXPECT_EQ(w.updated, updated);
  EXPECT_EQ(w.unchanged, unchanged);
}
std::string all_bytes(int times) {
  std::string out;
  for (int i = 0; i < times * 256; ++i) out += static_cast<char>(i);
  return out;
}

void upsert_and_read(const DatabaseAddress& address) {
  ImageDatabase db(address, Mode::create);
  const std::string big = all_bytes(3000);
  const std::vector<ImageRow> rows{row("1.2", "CHEST", all_bytes(1)), row("1.10", "CHEST", big, ""),
                                   row("1.3", "HAND", std::string("\0", 1), "P2")};
  expect(db.write(rows), 3, 0, 0);
  expect(db.write(rows), 0, 0, 3);
  EXPECT_EQ(db.image("1.2"), all_bytes(1));
  EXPECT_TRUE(db.image("1.10") == big);
  EXPECT_EQ(db.image("1.3"), std::string("\0", 1));
  EXPECT_EQ(db.image("1.4"), std::nullopt);
  EXPECT_EQ(db.body_parts(), (std::vector<std::pair<std::string, std::int64_t>>{{"CHEST", 2}, {"HAND", 1}}));
  // One page after the other, in order of bytes.
  auto page = db.list("CHEST", "", 1);
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].id, "1.10");
  EXPECT_EQ(page[0].patient_id, "");
  page = db.list("CHEST", "1.10", 10);
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].id, "1.2");
  EXPECT_EQ(page[0].bodypart, "CHEST");
  EXPECT_EQ(page[0].patient_id, "P1");
  EXPECT_EQ(page[0].study_uid, "1.2.3");
  EXPECT_EQ(page[0].modality, "CR");
  EXPECT_EQ(page[0].sha256, sha256_hex(all_bytes(1)));
  EXPECT_EQ(page[0].image, "");
  EXPECT_TRUE(db.list("chest", "", 10).empty()) << "values are compared byte by byte";
  // Other bytes of the same id replace the whole row.
  expect(db.write(std::vector{row("1.3", "ANKLE", "new", "P3")}), 0, 1, 0);
  EXPECT_EQ(db.image("1.3"), "new");
  ASSERT_EQ(db.list("ANKLE", "", 10).size(), 1u);
  EXPECT_EQ(db.list("ANKLE", "", 10)[0].patient_id, "P3");
  EXPECT_TRUE(db.list("HAND", "", 10).empty());
  // The same id twice in one batch: the later one stays.
  expect(db.write(std::vector{row("1.5", "A", "one"), row("1.5", "B", "two")}), 1, 1, 0);
  EXPECT_EQ(db.image("1.5"), "two");
  // Another connection sees it, and cannot be told apart by case or by trailing blanks.
  ImageDatabase reader(address, Mode::read);
  EXPECT_EQ(reader.image("1.5"), "two");
}

// Values come back as they went in, whatever they hold, and change nothing but their row.
void hostile_values(const DatabaseAddress& address) {
  ImageDatabase db(address, Mode::create);
  const auto before = db.body_parts();
  std::vector<std::string> values{"'; DROP TABLE images; --",
                                  "\" OR \"\"=\"",
                                  "' OR '1'='1",
                                  "\\",
                                  "\\'",
                                  "'",
                                  "''",
                                  "%",
                                  "_",
                                  "CHEST'--",
                                  "$1",
                                  ":id",
                                  "?",
                                  "`",
                                  "/*",
                                  "*/",
                                  "a\\0b",
                                  "\\x27",
                                  "$$ $$",
                                  "U&'\\0027'",
                                  "\xc2\xbf\\' OR 1=1",
                                  "\xe8\xa1\xa8\\",
                                  "\xf0\x9f\xa9\xbb",
                                  "NULL",
                                  "null",
                                  "0",
                                  "../../etc/passwd",
                                  "a'||(SELECT version())||'b",
                                  "1; SELECT pg_sleep(60)",
                                  "@@version",
                                  "0x27",
                                  "x' UNION SELECT * FROM images --"};
  for (int i = 0; static_cast<int>(values.size()) < 2000; ++i) {
    std::string text;
    constexpr const char* pieces[] = {"'",  "\"",           "\\",   ";",    "--", " ", "\xc3\xa9",
                                      ":a", "%s",           "\x7f", "NULL", "\n", "(", ")",
                                      "=",  "\xe2\x80\x99", "\t",   "#",    "0"};
    for (std::uint32_t k = 0, n = static_cast<std::uint32_t>(i) * 2654435761u; k < 10;
         ++k, n = n * 1664525u + 1013904223u)
      text += pieces[(n >> 16) % std::size(pieces)];
    values.push_back(text + "x" + std::to_string(i));
  }
  std::vector<ImageRow> rows;
  for (std::size_t i = 0; i < values.size(); ++i) {
    rows.push_back({"h" + std::to_string(i), values[i], values[i], values[i], values[i], "", values[i]});
    if (values[i].size() <= 60) rows.back().id = values[i] + "-id";
  }
  expect(db.write(rows), static_cast<std::int64_t>(rows.size()), 0, 0);
  std::size_t wrong = 0;
  std::string first;
  for (const ImageRow& want : rows) {
    const auto got = db.list(want.bodypart, "", 10);
    const bool differs = got.size() != 1 || got[0].id != want.id || got[0].bodypart != want.bodypart ||
                         got[0].patient_id != want.patient_id || got[0].study_uid != want.study_uid ||
                         got[0].modality != want.modality || !got[0].sha256.empty() ||
                         db.image(want.id) != want.image;
    if (differs && wrong++ == 0) first = want.bodypart;
  }
  EXPECT_EQ(wrong, 0u) << first;
  EXPECT_EQ(db.body_parts().size(), before.size() + rows.size());
}

// After an error in the middle nothing of the batch is there, and the connection goes on.
void rollback(const DatabaseAddress& address) {
  ImageDatabase db(address, Mode::create);
  const std::string broken = "\xff\xfe no UTF-8";
  if (address.kind != DatabaseKind::sqlite) {  // which takes any bytes
    const std::string text = message_of<FileError>([&] {
      db.write(std::vector{row("r1", "ROLLBACK", "a"), row("r2", broken, "b"), row("r3", "ROLLBACK", "c")});
    });
    EXPECT_TRUE(text.starts_with("database: " + address.shown() + " did not take the images: ")) << text;
    EXPECT_EQ(text.find("no UTF-8"), std::string::npos) << text;
  }
  EXPECT_EQ(message_of<DataError>([&] {
              db.write(std::vector{row("r1", "ROLLBACK", "a"), row(std::string(65, '1'), "ROLLBACK", "b")});
            }),
            "database: a row does not fit: SOPInstanceUID has more than 64 characters");
  EXPECT_TRUE(db.list("ROLLBACK", "", 10).empty());
  EXPECT_EQ(db.image("r1"), std::nullopt);
  expect(db.write(std::vector{row("r1", "ROLLBACK", "a")}), 1, 0, 0);
}

// Four writers of the same images, each over its own connection: every row once, every answer accounted for.
void writers_side_by_side(const DatabaseAddress& address) {
  constexpr int writers = 4, batches = 5, batch = 20;
  std::vector<ImageDatabase::Written> done(writers);
  std::vector<std::string> errors(writers);
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      try {
        ImageDatabase db(address, Mode::create);
        for (int b = 0; b < batches; ++b) {
          std::vector<ImageRow> rows;
          for (int i = 0; i < batch; ++i) {  // half of the writers come from the other end
            const int at = b * batch + i, n = w % 2 == 0 ? at : batches * batch - 1 - at;
            rows.push_back(row("w" + std::to_string(n), "RACE", all_bytes(1 + n % 5)));
          }
          const auto one = db.write(rows);
          done[static_cast<std::size_t>(w)].inserted += one.inserted;
          done[static_cast<std::size_t>(w)].updated += one.updated;
          done[static_cast<std::size_t>(w)].unchanged += one.unchanged;
        }
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(w)] = error.what();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  std::int64_t all = 0;
  for (int w = 0; w < writers; ++w) {
    EXPECT_EQ(errors[static_cast<std::size_t>(w)], "");
    const auto& d = done[static_cast<std::size_t>(w)];
    all += d.inserted + d.updated + d.unchanged;
  }
  EXPECT_EQ(all, writers * batches * batch);
  ImageDatabase db(address, Mode::read);
  const auto rows = db.list("RACE", "", 1000);
  EXPECT_EQ(rows.size(), static_cast<std::size_t>(batches * batch));
  for (const ImageRow& r : rows) EXPECT_EQ(sha256_hex(db.image(r.id).value_or("")), r.sha256);
}

// The password of the environment, while it lasts.
struct Password {
  explicit Password(const std::string& text) { ::setenv("GADOLIN_DATABASE_PASSWORD", text.c_str(), 1); }
  ~Password() { ::unsetenv("GADOLIN_DATABASE_PASSWORD"); }
};

class Database : public testing::Test {
 protected:
  void SetUp() override {
    if (!database_available()) GTEST_SKIP() << "built without a database";
    ::unsetenv("GADOLIN_DATABASE_USER");
    ::unsetenv("GADOLIN_DATABASE_PASSWORD");
  }
  Scratch dir_;
};

TEST_F(Database, SqliteUpsertAndRead) { upsert_and_read(database_address(dir_ / "with blank = and %41.db")); }
TEST_F(Database, SqliteHostileValues) { hostile_values(database_address("sqlite:" + dir_ / "a.db")); }
TEST_F(Database, SqliteRollback) { rollback(database_address("sqlite://" + dir_ / "a.db")); }
TEST_F(Database, SqliteWritersSideBySide) { writers_side_by_side(database_address(dir_ / "a.db")); }

TEST_F(Database, SqliteMessages) {
  const DatabaseAddress address = database_address(dir_ / "a.db");
  expect_says<FileError>(
      dir_, [&] { ImageDatabase(address, Mode::read); },
      "database: DIR/a.db does not exist; gadolin bodypart create-database makes it");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "a.db"));
  dir_.write("text.db", std::string(4096, 'x'));
  for (const Mode mode : {Mode::read, Mode::create}) {
    const std::string text =
        said<FileError>(dir_, [&] { ImageDatabase(database_address(dir_ / "text.db"), mode); });
    EXPECT_TRUE(text.starts_with("database: DIR/text.db ") && text.ends_with(": file is not a database"))
        << text;
  }
  expect_says<FileError>(
      dir_, [&] { ImageDatabase(database_address(dir_ / "no/a.db"), Mode::create); },
      "database: DIR/no/a.db cannot be opened: Cannot establish connection to the database. unable to open "
      "database file");
  dir_.write("empty.db", std::string());
  expect_says<FileError>(
      dir_, [&] { ImageDatabase(database_address(dir_ / "empty.db"), Mode::read); },
      "database: DIR/empty.db has no table images with the columns id, bodypart, patient_id, study_uid, "
      "modality, sha256 and image: "
      "no such table: images");
}

TEST_F(Database, AReaderChangesNothing) {
  const DatabaseAddress address = database_address(dir_ / "a.db");
  ImageDatabase(address, Mode::create).write(std::vector{row("1", "A", "x")});
  ImageDatabase reader(address, Mode::read);
  const std::string text = said<FileError>(dir_, [&] { reader.write(std::vector{row("2", "A", "secret")}); });
  EXPECT_EQ(text, "database: DIR/a.db did not take the images: attempt to write a readonly database");
}

TEST_F(Database, MariaDb) {
  if (const std::string why = DatabaseServer::missing(DatabaseKind::mysql); !why.empty()) GTEST_SKIP() << why;
  DatabaseServer server(DatabaseKind::mysql);
  const std::string password = "a \\ word: \" @/";
  // A small packet first: what does not fit is said, with what to set.
  ASSERT_EQ(server.start("a \\\\ word: \" @/", {"--max-allowed-packet=1M"}), "");
  const std::string place = server.url().replace(server.url().find("gadolin@"), 8, "");
  const std::string refused =
      message_of<FileError>([&] { ImageDatabase(database_address(server.url()), Mode::create); });
  EXPECT_EQ(refused,
            "database: " + place +
                " cannot be opened: Access denied for user 'gadolin'@'localhost' (using password: NO)");
  const Password set(password);
  const DatabaseAddress address = database_address(server.url());
  EXPECT_EQ(address.shown(), place);
  const std::string no_table = message_of<FileError>([&] { ImageDatabase(address, Mode::read); });
  EXPECT_EQ(no_table, "database: " + place +
                          " has no table images with the columns id, bodypart, patient_id, study_uid, "
                          "modality, sha256 and image: "
                          "Table 'gadolin.images' doesn't exist");
  {
    ImageDatabase db(address, Mode::create);
    EXPECT_EQ(db.largest_statement(), 1 << 20);
    // 1,000,000 zeros are written as two bytes each; letters are not.
    EXPECT_EQ(message_of<DataError>([&] {
                db.write(std::vector{row("z", "A", "small"), row("big", "A", std::string(1'000'000, '\0'))});
              }),
              "database: an image of 976.6 KiB is a statement of 1.9 MiB, and max_allowed_packet of " +
                  place +
                  " is 1.0 MiB; set max_allowed_packet=2M below "
                  "[mysqld] in the server's option file, or let its administrator run SET GLOBAL "
                  "max_allowed_packet = 2097152");
    EXPECT_EQ(db.image("z"), std::nullopt);
    expect(db.write(std::vector{row("big", "A", std::string(1'000'000, 'a'))}), 1, 0, 0);
    expect(db.write(std::vector{row("limit", "A", std::string((1 << 20) - 4096, 'a'))}), 1, 0, 0);
    EXPECT_EQ(db.image("limit")->size(), static_cast<std::size_t>((1 << 20) - 4096));
  }
  server.stop();
  ASSERT_EQ(server.start("a \\\\ word: \" @/",
                         {"--max-allowed-packet=64M", "--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES"}),
            "");
  {
    ImageDatabase db(address, Mode::create);
    const std::string radiograph = all_bytes(30 << 12);  // 30 MiB
    expect(db.write(std::vector{row("dr", "A", radiograph)}), 1, 0, 0);
    EXPECT_TRUE(db.image("dr") == radiograph);
    expect(db.write(std::vector{row("dr", "A", radiograph)}), 0, 0, 1);
  }
  {
    ImageDatabase db(address, Mode::create);
    EXPECT_EQ(db.body_parts(), (std::vector<std::pair<std::string, std::int64_t>>{{"A", 3}}));
  }
  server.stop();
  EXPECT_TRUE(message_of<FileError>([&] {
                ImageDatabase(address, Mode::read);
              }).starts_with("database: " + place + " cannot be opened: Can't connect to local"));
}

TEST_F(Database, MariaDbAsSqlite) {
  if (const std::string why = DatabaseServer::missing(DatabaseKind::mysql); !why.empty()) GTEST_SKIP() << why;
  DatabaseServer server(DatabaseKind::mysql);
  ASSERT_EQ(server.start("word"), "");
  const Password set("word");
  const DatabaseAddress address = database_address(server.url());
  upsert_and_read(address);
  rollback(address);
  hostile_values(address);
  writers_side_by_side(address);
}

TEST_F(Database, PostgreSqlAsSqlite) {
  if (const std::string why = DatabaseServer::missing(DatabaseKind::postgresql); !why.empty())
    GTEST_SKIP() << why;
  DatabaseServer server(DatabaseKind::postgresql);
  ASSERT_EQ(server.start("it's \\ one"), "");
  EXPECT_TRUE(message_of<FileError>([&] {
                ImageDatabase(database_address(server.url()), Mode::create);
              }).find("cannot be opened: ") != std::string::npos);
  const Password set("it's \\ one");
  const DatabaseAddress address = database_address(server.url());
  EXPECT_TRUE(message_of<FileError>([&] {
                ImageDatabase(address, Mode::read);
              }).find("has no table images") != std::string::npos)
      << server.log();
  upsert_and_read(address);
  rollback(address);
  hostile_values(address);
  writers_side_by_side(address);
  ImageDatabase db(address, Mode::create);
  const std::string radiograph = all_bytes(30 << 12);
  expect(db.write(std::vector{row("dr", "A", radiograph)}), 1, 0, 0);
  EXPECT_TRUE(db.image("dr") == radiograph);
}

}  // namespace
}  // namespace gadolin::test
