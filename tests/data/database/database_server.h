// A MariaDB or PostgreSQL server of the test's own: its data in the test's folder, a socket there, no
// network; gone at the end.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "data/database/database.h"
#include "tests/scratch.h"

namespace gadolin::test {

class DatabaseServer {
 public:
  explicit DatabaseServer(DatabaseKind kind) : kind_(kind) {}
  ~DatabaseServer() { stop(); }
  DatabaseServer(const DatabaseServer&) = delete;
  DatabaseServer& operator=(const DatabaseServer&) = delete;

  // The programs that a server needs, or "" when one is missing: then the test skips.
  static std::string missing(DatabaseKind kind) {
    namespace fs = std::filesystem;
    if (kind == DatabaseKind::mysql) {
      for (const char* program :
           {"/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db", "/usr/bin/my_print_defaults"}) {
        if (!fs::exists(program))
          return std::string(program) + " is not installed (mariadb-server-core, mariadb-client-core)";
      }
      return "";
    }
    if (postgres_programs().empty()) return "initdb and postgres are not installed (postgresql)";
    return ::getuid() == 0 && ::getpwnam("postgres") == nullptr
               ? "there is no user postgres to run the server as"
               : "";
  }

  // "" or why it did not start. User gadolin with `password`, database gadolin, at address().
  std::string start(const std::string& password, const std::vector<std::string>& options = {}) {
    // Nothing of the caller's account may decide: below the folder everything is given anew.
    ::chmod(dir_.path().c_str(), 0711);
    return kind_ == DatabaseKind::mysql ? start_mariadb(password, options)
                                        : start_postgresql(password, options);
  }
  void stop() {
    if (server_ <= 0) return;
    ::kill(server_, kind_ == DatabaseKind::mysql ? SIGTERM : SIGINT);
    int status = 0;
    for (int i = 0; i < 1200 && ::waitpid(server_, &status, WNOHANG) == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ::kill(server_, SIGKILL);  // no such process any more, usually
    ::waitpid(server_, &status, 0);
    server_ = 0;
  }
  // A URL without password.
  std::string url() const {
    const bool mysql = kind_ == DatabaseKind::mysql;
    return std::string(mysql ? "mysql" : "postgresql") +
           "://gadolin@/gadolin?socket=" + (mysql ? dir_ / "s" : dir_.path() + "/socket");
  }
  std::string log() const { return text_of("log"); }

 private:
  static std::string postgres_programs() {
    std::error_code error;
    for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
      if (std::filesystem::exists(version.path() / "bin/initdb") &&
          std::filesystem::exists(version.path() / "bin/postgres"))
        return (version.path() / "bin").string();
    }
    return "";
  }
  std::string text_of(const std::string& name) const {
    std::ifstream file(dir_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  pid_t run(const std::vector<std::string>& command) const {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const int out = ::open((dir_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666),
              in = ::open("/dev/null", O_RDONLY);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    if (kind_ == DatabaseKind::postgresql && ::getuid() == 0) {  // PostgreSQL does not run as root
      const passwd* user = ::getpwnam("postgres");
      if (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)
        ::_exit(126);
    }
    if (::chdir(dir_.path().c_str()) != 0) ::_exit(126);
    std::vector<char*> argv;
    for (const std::string& arg : command) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  bool done(const std::vector<std::string>& command) const {
    int status = -1;
    return ::waitpid(run(command), &status, 0) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  // Two minutes: on a machine whose disk others keep busy a server takes its time.
  std::string wait_for(const std::string& text) {
    for (int i = 0; i < 2400; ++i) {
      if (text_of("log").find(text) != std::string::npos) return "";
      int status = 0;
      if (::waitpid(server_, &status, WNOHANG) != 0) {
        server_ = 0;
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return "the server did not start:\n" + log();
  }

  std::string start_mariadb(const std::string& password, const std::vector<std::string>& options) {
    // Nothing here outlives the test: no waiting for the disk.
    const std::string unsynced = "--innodb-flush-method=nosync";
    const std::string user = "--user=" + std::string(::getpwuid(::getuid())->pw_name);
    // A server that starts removes the temporary tables of all servers that share its folder for them.
    const std::string temporary = "--tmpdir=" + dir_ / "tmp";
    ::mkdir((dir_ / "tmp").c_str(), 0700);
    if (!std::filesystem::exists(dir_ / "data")) {
      if (!done({"/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + dir_ / "data",
                 "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
                 unsynced, temporary, user}))
        return "mariadb-install-db failed:\n" + log();
    }
    dir_.write("init.sql",
               "CREATE DATABASE IF NOT EXISTS gadolin;\nCREATE USER IF NOT EXISTS 'gadolin'@'localhost' "
               "IDENTIFIED BY '" +
                   password + "';\nGRANT ALL ON gadolin.* TO 'gadolin'@'localhost';\n");
    dir_.write("log", std::string());
    std::vector<std::string> command = {"/usr/sbin/mariadbd",
                                        "--no-defaults",
                                        "--datadir=" + dir_ / "data",
                                        "--socket=" + dir_ / "s",
                                        "--skip-networking",
                                        "--init-file=" + dir_ / "init.sql",
                                        "--innodb-buffer-pool-size=32M",
                                        "--innodb-log-file-size=16M",
                                        "--innodb-flush-log-at-trx-commit=0",
                                        unsynced,
                                        temporary,
                                        "--skip-name-resolve",
                                        user};
    command.insert(command.end(), options.begin(), options.end());
    server_ = run(command);
    return wait_for("ready for connections");
  }

  std::string start_postgresql(const std::string& password, const std::vector<std::string>& options) {
    const std::string programs = postgres_programs();
    dir_.write("password", password + "\n");
    for (const char* folder : {"data", "socket"}) {
      ::mkdir((dir_ / folder).c_str(), 0700);
      const passwd* user = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr;
      if (user != nullptr && ::chown((dir_ / folder).c_str(), user->pw_uid, user->pw_gid) != 0)
        return "chown failed";
    }
    dir_.write("log", std::string());
    ::chmod((dir_ / "log").c_str(), 0666);
    ::chmod((dir_ / "password").c_str(), 0644);
    if (!std::filesystem::exists(dir_ / "data/PG_VERSION") &&
        !done({programs + "/initdb", "-D", dir_ / "data", "-U", "gadolin", "--pwfile=" + dir_ / "password",
               "--auth=scram-sha-256", "-N", "-E", "UTF8", "--locale=C"}))
      return "initdb failed:\n" + log();
    // The first database of a cluster is postgres; a single-user backend makes ours.
    dir_.write("init.sql", "CREATE DATABASE gadolin\n");
    ::chmod((dir_ / "init.sql").c_str(), 0644);
    done({"/bin/sh", "-c", "exec " + programs + "/postgres --single -D data postgres < init.sql"});
    std::vector<std::string> command = {
        programs + "/postgres", "-D", dir_ / "data", "-k", dir_ / "socket",        "-h", "", "-c",
        "shared_buffers=16MB",  "-c", "fsync=off",   "-c", "deadlock_timeout=50ms"};
    command.insert(command.end(), options.begin(), options.end());
    server_ = run(command);
    return wait_for("database system is ready to accept connections");
  }

  Scratch dir_;
  DatabaseKind kind_;
  pid_t server_ = 0;
};

}  // namespace gadolin::test
