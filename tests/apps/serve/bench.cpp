// gadolin bench serve and its client, against a server that says what a test wants.
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/apps/in_process.h"
#include "tests/apps/serve/serving.h"

namespace gadolin::test {
namespace {

using std::string;

string http(int status, const string& body) {
  return cat("HTTP/1.1 ", status, " x\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n\r\n",
             body);
}

// Gives each POST one of the texts, the last one again and again, and hangs up. Of anything else it knows
// nothing.
class Scripted {
 public:
  explicit Scripted(std::vector<string> texts, bool reads = true) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    bind(listener_, reinterpret_cast<sockaddr*>(&at), size);
    listen(listener_, 16);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this, texts, reads] {
      for (std::size_t i = 0;;) {
        const int peer = accept(listener_, nullptr, nullptr);
        if (peer < 0) return;
        char bytes[65536];
        const ssize_t count = reads ? recv(peer, bytes, sizeof bytes, 0) : 0;
        const bool post = count > 4 && string(bytes, 4) == "POST";
        const string text =
            !post && texts.size() > 1 ? http(404, "no") : texts[std::min(i, texts.size() - 1)];
        i += post;
        std::ignore = send(peer, text.data(), text.size(), MSG_NOSIGNAL);
        if (!reads) std::this_thread::sleep_for(std::chrono::milliseconds(300));
        close(peer);
      }
    });
  }
  ~Scripted() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  int port() const { return port_; }

 private:
  int listener_ = -1, port_ = 0;
  std::thread thread_;
};

// What the client says of a server, its port written as PORT.
string client_error(const Scripted& server, double timeout = 5) {
  HttpClient client("127.0.0.1", server.port(), timeout);
  string text = message_of<FileError>([&] { client.get("/"); });
  const string port = cat(server.port());
  if (const std::size_t at = text.find(port); at != string::npos) text.replace(at, port.size(), "PORT");
  return text;
}

TEST(ServeBench, WhatItsClientSaysOfServers) {
  EXPECT_EQ(client_error(Scripted({""}, false), 0.1),
            "http: 127.0.0.1 port PORT said nothing for 0.1 s; is it busy?");
  EXPECT_EQ(client_error(Scripted({"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"})),
            "http: 127.0.0.1 port PORT hung up before its answer was whole; see its log");
  EXPECT_EQ(client_error(Scripted({"220 mail.example ready\r\n\r\n"})),
            "http: 127.0.0.1 port PORT does not speak HTTP; see --url");
  HttpClient lost("no such host", 80);
  EXPECT_EQ(message_of<FileError>([&] { lost.get("/"); }), "http: host no such host is not known; see --url");
  EXPECT_EQ(message_of<UsageError>([] { host_and_port("bench serve: --url", "ftp://a"); }),
            "bench serve: --url ftp://a is no address of a server; give one such as http://127.0.0.1:2006");
  EXPECT_EQ(host_and_port("--url", "http://localhost:80/"), (std::pair<string, int>{"localhost", 80}));
}

// This one says that it keeps a connection, and hangs up.
TEST(ServeBench, ItsClientOpensAnewWhatWasEndedWhileNothingWasSaid) {
  const Scripted server({"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"});
  HttpClient client("127.0.0.1", server.port(), 5);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.get("/").body, "here");
}

TEST(ServeBench, AnswersThatAreNotTheFilmsOwnAreAFault) {
  const Scratch dir;
  dir.write("film.png", grey_film(1));
  const auto bench = [&](const Scripted& server, std::vector<string> more = {}) {
    std::vector<string> args{
        "bench",         "serve", dir / "film.png", "--url", cat("http://127.0.0.1:", server.port()),
        "--connections", "1",     "--requests",     "4"};
    args.insert(args.end(), more.begin(), more.end());
    return last_line(run_here(args), dir.path());
  };
  const string good = http(200, "{\"results\":[{\"label\":\"a\",\"ms\":1}]}");
  EXPECT_EQ(
      bench(Scripted({http(200, "{\"results\":[{\"label\":\"b\",\"ms\":1}]}"), good})),
      "bench serve: 4 of 4 answers are not those that the films got alone; this is a fault of the server "
      "[GD-DATA-001]");
  EXPECT_EQ(
      bench(Scripted({http(415, "no"), good})),
      "bench serve: film 0 was answered with status 415: no; give films that the server reads [GD-DATA-001]");
  EXPECT_EQ(bench(Scripted({good, http(503, "busy")})),
            "bench serve: 4 of 4 requests failed (status 503: busy); see the server's log [GD-DATA-001]");
  EXPECT_EQ(last_line(run_here({"bench", "serve", dir.write("none.txt", "\n")}), dir.path()),
            "bench serve: no films to send [GD-USAGE-001]");
}

TEST(ServeBench, MeasuresAServer) {
  const Scratch dir;
  for (int i = 0; i < 3; ++i) dir.write(cat("film", i, ".png"), grey_film(i));
  // The load takes longer than the server keeps connections that say nothing.
  serve::HttpOptions http;
  http.limits.header_seconds = 0.5;
  Serving server({.http = http, .checkpoints = {"meter=" + meter_checkpoint()}});
  Meter::milliseconds = 50;
  const Outcome run = run_here({"bench", "serve", dir.path(), "--url",
                                cat("http://127.0.0.1:", server.port()), "--requests", "60", "--connections",
                                "4", "--slow-peers", "4", "--malformed", "8", "--upload-mb", "1", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto metrics = done(run)["metrics"];
  EXPECT_EQ(metrics["requests"], 60);
  EXPECT_EQ(metrics["wrong"], 0);
  EXPECT_GT(metrics["per_second"].get<double>(), 1);
  EXPECT_GE(metrics["pictures_a_batch"].get<double>(), 1);
  EXPECT_GT(metrics["uploaded_bytes"], 0);
  EXPECT_GT(metrics["health_p99_ms"].get<double>(), 0);
}

}  // namespace
}  // namespace gadolin::test
