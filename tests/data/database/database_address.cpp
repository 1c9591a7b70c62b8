// URLs and option files of databases, and what is said to those that are refused.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>

#include "data/database/database.h"
#include "data/database/dialect.h"
#include "tensor/check.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {

struct DatabaseAddressOf : testing::Test {
  void SetUp() override {
    ::unsetenv("GADOLIN_DATABASE_USER");
    ::unsetenv("GADOLIN_DATABASE_PASSWORD");
  }
  void TearDown() override { SetUp(); }
  std::string options(const std::string& text, int mode = 0600) {
    const std::string path = dir_.write("options.cnf", text);
    ::chmod(path.c_str(), static_cast<mode_t>(mode));
    return path;
  }
  Scratch dir_;
};

TEST_F(DatabaseAddressOf, Urls) {
  EXPECT_EQ(database_address("body part.db").path, "body part.db");
  EXPECT_EQ(database_address("sqlite:a.db").path, "a.db");
  EXPECT_EQ(database_address("sqlite:///data/a.db").path, "/data/a.db");
  EXPECT_EQ(database_address("c:a.db").path, "c:a.db");
  EXPECT_EQ(database_address("100%.db").path, "100%.db");
  const DatabaseAddress a = database_address("mariadb://al%40ice@db.example:3307/x%2Fy");
  EXPECT_TRUE(a.kind == DatabaseKind::mysql);
  EXPECT_EQ(a.user, "al@ice");
  EXPECT_EQ(a.host, "db.example");
  EXPECT_EQ(a.port, 3307);
  EXPECT_EQ(a.database, "x/y");
  EXPECT_EQ(a.shown(), "mysql://db.example:3307/x/y") << "no user in messages";
  const DatabaseAddress b = database_address("postgres://[::1]/images?socket=/run/p%20q");
  EXPECT_TRUE(b.kind == DatabaseKind::postgresql);
  EXPECT_EQ(b.host, "::1");
  EXPECT_EQ(b.port, 0);
  EXPECT_EQ(b.socket, "/run/p q");
}

TEST_F(DatabaseAddressOf, CredentialsFromTheEnvironmentThenAFile) {
  const std::string file = options(
      "# mine\n[mysqld]\nuser=wrong\npassword=wrong\n[client]\nuser = bob\r\npassword = \"s "
      "e=c#ret\"\nport=3310\nsocket=/run/s\n"
      "host='db'\nssl\n[other]\npassword=no\n");
  DatabaseAddress a = database_address("mysql:///images", file);
  EXPECT_EQ(a.user, "bob");
  EXPECT_EQ(a.password, "s e=c#ret");
  EXPECT_EQ(a.port, 3310);
  EXPECT_EQ(a.socket, "/run/s");
  EXPECT_EQ(a.host, "db");
  ::setenv("GADOLIN_DATABASE_USER", "eve", 1);
  ::setenv("GADOLIN_DATABASE_PASSWORD", "other", 1);
  a = database_address("mysql://server/images", file);
  EXPECT_EQ(a.user, "eve");
  EXPECT_EQ(a.password, "other");
  EXPECT_EQ(a.host, "server");
  EXPECT_EQ(a.socket, "") << "a host of the URL goes before a socket of the file";
  EXPECT_EQ(a.port, 0);
  EXPECT_EQ(database_address("mysql://ann@server/images", file).user, "ann");
  EXPECT_EQ(database_address("mysql://server", options("[client]\ndatabase=radio\n")).database, "radio");
}

TEST_F(DatabaseAddressOf, ConnectionStringsQuoteEverything) {
  DatabaseAddress a = database_address("mysql://h/d'b%20c?socket=/s");
  a.user = "u\\";
  a.password = "p' host='evil";
  EXPECT_EQ(connection_string(a, false),
            "dbname='d\\'b c' user='u\\\\' password='p\\' host=\\'evil' host='h' unix_socket='/s' "
            "connect_timeout='20' charset='utf8mb4'");
  a = database_address("postgresql://h:5433/d&b");
  EXPECT_EQ(connection_string(a, false), "postgresql://h:5433/d%26b?connect_timeout=20");
  a.user = "u";
  a.password = "p@/?&= x";
  a.socket = "/run/x";
  EXPECT_EQ(connection_string(a, true),
            "postgresql://u:p%40%2f%3f%26%3d%20x@/d%26b?connect_timeout=20&host=%2frun%2fx&port=5433");
  a = database_address("postgresql://u@[::1]/d");
  EXPECT_EQ(connection_string(a, true), "postgresql://u@[::1]/d?connect_timeout=20");
  EXPECT_EQ(connection_string(database_address("/a b=c.db"), true),
            "dbname=\"/a b=c.db\" timeout=10 readonly=true");
}

TEST_F(DatabaseAddressOf, Messages) {
  const auto says = [&](const std::string& url, const std::string& want, const std::string& file = "") {
    expect_says<UsageError>(
        dir_, [&] { database_address(url, file); }, want);
  };
  const std::string password =
      "database: the URL holds a password, which others on this machine can read; leave it out and set "
      "GADOLIN_DATABASE_PASSWORD or name an "
      "option file with --credentials";
  says("mysql://ann:secret@h/d", password);
  says("postgresql://ann:@h/d", password);
  says("mysql://h/d?password=secret", password);
  says("mysql://h/d?socket=/a&pwd=secret",
       "database: the URL holds a password, which others on this machine can read; leave it out and set "
       "GADOLIN_DATABASE_PASSWORD or "
       "name an option file with --credentials");
  says("mysql://h/d?ssl=1", "database: the URL has the option 'ssl'; only socket=PATH is known");
  says("oracle://h/d",
       "database: the URL begins with oracle:, which is no kind of database here; use a file name, "
       "mysql://USER@HOST/DATABASE or "
       "postgresql://USER@HOST/DATABASE");
  says("mysql:d",
       "database: the URL begins with mysql:, which is no kind of database here; use a file name, "
       "mysql://USER@HOST/DATABASE or "
       "postgresql://USER@HOST/DATABASE");
  says("mysql://h:0/d", "database: the URL has the port '0', 1 to 65535 are possible");
  says("mysql://h:99999999999999999999/d",
       "database: the URL has the port '99999999999999999999', 1 to 65535 are possible");
  for (const char* url : {"mysql://h/%", "mysql://h/%4", "mysql://h/%zz", "mysql://h/%00"}) {
    says(url, "database: the URL has a % without two hex digits of a byte behind it; write %25 for %");
  }
  says("mysql://h",
       "database: mysql://h/ names no database; write it behind the host: mysql://HOST/DATABASE");
  says("sqlite:", "database: the URL names no file; sqlite:bodypart.db does");
  says("a\"b.db",
       "database: a\"b.db has a quote or a control character in its name, which SQLite's connection cannot "
       "take");
  says("a\nb.db",
       "database: a\\x0ab.db has a quote or a control character in its name, which SQLite's connection "
       "cannot take");
  says(std::string("a\0b", 3), "database: the URL has a NUL byte");
  says("mysql://h/d",
       "database: DIR/options.cnf can be read by other users; chmod 600 keeps its password to you",
       options("[client]\npassword=x\n", 0640));
  says("mysql:///d", "database: DIR/options.cnf has the port 'many', 1 to 65535 are possible",
       options("[client]\nport=many\n"));
  says("mysql:///d", "database: user, password, host, socket and database cannot hold a NUL byte",
       options(std::string("[client]\nuser=a\0b\n", 18)));
  expect_says<FileError>(
      dir_, [&] { database_address("mysql://h/d", dir_ / "none"); },
      "database: DIR/none: no such file or directory; check the path; folders above it must exist");
}

TEST(DatabaseDialects, HexThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(to_hex(std::string("\0\x7f\xff", 3)), "007fff");
  EXPECT_EQ(from_hex("\\x" + to_hex(bytes)), bytes);
  EXPECT_EQ(from_hex("\\x"), "");
  for (const char* text : {"", "\\", "00", "\\x0", "\\xzz", "\\xAA"}) {
    EXPECT_EQ(message_of<FormatError>([&] { from_hex(text); }),
              "database: an image does not come as hex digits")
        << text;
  }
  EXPECT_EQ(statement_bytes(DatabaseDialect::Bytes::text, std::string("\0\n\r\\'\"\x1a"
                                                                      "ab",
                                                                      9)),
            4096 + 16);
  EXPECT_EQ(statement_bytes(DatabaseDialect::Bytes::hex, "abc"), 4096 + 6);
  EXPECT_EQ(statement_bytes(DatabaseDialect::Bytes::blob, "abc"), 4096 + 3);
}

TEST(DatabaseRows, Misfits) {
  const ImageRow good{"1.2", "CHEST", "", "", "", "", "x"};
  EXPECT_EQ(ImageDatabase::misfit(good), "");
  const auto with = [&](auto member, const std::string& text) {
    ImageRow r = good;
    r.*member = text;
    return ImageDatabase::misfit(r);
  };
  EXPECT_EQ(with(&ImageRow::id, ""), "no SOPInstanceUID");
  EXPECT_EQ(with(&ImageRow::bodypart, ""), "no BodyPartExamined");
  EXPECT_EQ(with(&ImageRow::patient_id, std::string(65, 'x')), "PatientID has more than 64 characters");
  std::string umlauts;
  for (int i = 0; i < 64; ++i) umlauts += "\xc3\xbc";
  EXPECT_EQ(with(&ImageRow::patient_id, umlauts), "") << "characters count, not bytes";
  EXPECT_EQ(with(&ImageRow::patient_id, umlauts + "\xc3\xbc"), "PatientID has more than 64 characters");
}

}  // namespace
}  // namespace gadolin::test
