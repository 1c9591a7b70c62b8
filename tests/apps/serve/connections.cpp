// gadolin serve under load and under attack: each gets its own answer, and nobody holds up the others.
#include <gtest/gtest.h>

#include "tests/apps/program.h"
#include "tests/apps/serve/serving.h"

namespace gadolin::test {
namespace {

using std::string;

string label_of(const HttpReply& reply, std::size_t i = 0) { return json_of(reply)["results"][i]["label"]; }

// Runs f(i) on n threads.
template <class F> void side_by_side(int n, F f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back(f, i);
  for (std::thread& t : threads) t.join();
}

TEST(ServeConnections, F1OneBadFilmIsMarkedAloneAndMovesNoOther) {
  Served real{.checkpoints = {"c=" + classifier_checkpoint()}};
  Serving server(real);
  HttpClient client = server.client();
  std::vector<FormPart> good, mixed;
  for (int i = 0; i < 5; ++i) good.push_back({"file", cat("f", i), grey_film(10 + i, 50)});
  mixed = good;
  mixed[2].bytes = "this is text";
  const Json whole = json_of(client.post_form(analysis, good)),
             some = json_of(client.post_form(analysis, mixed));
  ASSERT_EQ(some["results"].size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t at = i < 2 ? i : i + 1;
    EXPECT_EQ(some["results"][i]["index"], at);
    EXPECT_EQ(some["results"][i]["probabilities"], whole["results"][at]["probabilities"]);  // bit for bit
  }
  EXPECT_EQ(some["errors"][0]["index"], 2);
  // Five requests at once, one of them text.
  std::vector<HttpReply> replies(5);
  side_by_side(5, [&](int i) {
    const auto at = static_cast<std::size_t>(i);
    replies[at] = server.client().post_form(analysis, {mixed[at]});
  });
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(replies[i].status, i == 2 ? 415 : 200);
    if (i != 2) {
      EXPECT_EQ(json_of(replies[i])["results"][0]["probabilities"], whole["results"][i]["probabilities"]);
    }
  }
}

TEST(ServeConnections, F3BatchesFormOfPicturesThatWait) {
  Serving server({.model = {.batch = 8, .queue = 40}});
  Meter::milliseconds = 20;
  side_by_side(8, [&](int i) {
    std::vector<FormPart> films;
    for (int k = 0; k < (i == 0 ? 16 : 1); ++k) films.push_back({"file", cat(k), grey_film((i + k) % 64)});
    const HttpReply reply = server.client().post_form(analysis, films);
    EXPECT_EQ(reply.status, 200) << reply.body;
    for (std::size_t k = 0; k < films.size(); ++k)
      EXPECT_EQ(label_of(reply, k), cat("g", static_cast<std::size_t>(i) + k)) << i;
  });
  const serve::ServedModel& model = server.models().at("");
  EXPECT_LT(model.batch_sizes.count(), 14);  // 23 pictures, and the test inference
  EXPECT_LT(server.metric("gadolin_batch_size_bucket{model=\"meter\",le=\"4\"}"), model.batch_sizes.count());
  EXPECT_EQ(server.metric("gadolin_batch_size_sum{model=\"meter\"}"), 24);
  // Limits count pictures, not requests.
  Meter::held = true;
  std::thread busy([&] {
    std::vector<FormPart> films(16, FormPart{"file", "f", grey_film(1)});
    EXPECT_EQ(server.client().post_form(analysis, films).status, 200);
  });
  std::thread busy_too([&] {
    std::vector<FormPart> films(16, FormPart{"file", "f", grey_film(1)});
    EXPECT_EQ(server.client().post_form(analysis, films).status, 200);
  });
  ASSERT_TRUE(Serving::soon([&] { return server.models().at("").under_way_ == 32; }));
  const HttpReply refused =
      server.client().post_form(analysis, std::vector<FormPart>(9, {"file", "f", grey_film(1)}));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(json_of(refused)["error"],
            "32 pictures are under way, and 9 more would be above 40 (--queue); ask again later");
  EXPECT_EQ(refused.header("retry-after"), "1");
  Meter::held = false;
  busy.join();
  busy_too.join();
}

TEST(ServeConnections, F6WhoHangsUpIsNotComputedFor) {
  Serving server({.model = {.batch = 1}});
  Meter::held = true;
  {
    std::vector<HttpClient> gone;
    for (int i = 0; i < 60; ++i) {
      gone.push_back(server.client());
      gone.back().send(gone.back().text_of("POST", analysis, {{"Content-Type", form_type}},
                                           form_body({{"file", "f", grey_film(3)}})));
    }
    ASSERT_TRUE(Serving::soon([&] { return server.models().at("").under_way_ == 60; }));
  }
  EXPECT_TRUE(Serving::soon([&] { return server.counts().hung_up >= 55; })) << server.counts().hung_up;
  Meter::held = false;
  EXPECT_TRUE(Serving::soon([&] { return server.models().at("").under_way_ == 0; }));
  EXPECT_LT(Meter::computed, 8);  // those that the net had begun, and the test inference
  EXPECT_GE(server.metric("gadolin_abandoned_total"), 55);
  EXPECT_EQ(label_of(server.client().post_form(analysis, {{"file", "f", grey_film(4)}})), "g4");
}

TEST(ServeConnections, F7EachOf64ClientsGetsItsOwnAnswer) {
  Serving server({.checkpoints = {"meter=" + meter_checkpoint()}});
  std::atomic<int> right = 0;
  side_by_side(64, [&](int i) {
    HttpClient client = server.client();
    for (int k = 0; k < 12; ++k)
      right += label_of(client.post_form(analysis, {{"file", "f", grey_film(i, 8 + k)}})) == cat("g", i);
  });
  EXPECT_EQ(right, 64 * 12);
}

TEST(ServeConnections, F8ATooLargeBodyIsToldItsSizeTheLimitAndTheOption) {
  Serving server({.http = {.limits = {.body_bytes = 1 << 20, .files = 3}}});
  HttpClient client = server.client();
  // 413 comes before the body: only its length is sent.
  client.send(cat("POST ", analysis, " HTTP/1.1\r\nHost: x\r\nContent-Type: ", form_type,
                  "\r\nContent-Length: 2000000\r\n\r\n"));
  HttpReply reply = client.reply();
  EXPECT_EQ(reply.status, 413);
  const string want = "the body has 2000000 bytes; at most 1048576 are taken (--max-upload-mb 1)";
  EXPECT_EQ(json_of(reply)["error"], want);
  EXPECT_TRUE(Serving::soon([&] { return server.log().find(want) != string::npos; })) << server.log();
  // Without a length it is counted as it comes.
  client = server.client();
  client.send(cat("POST ", analysis, " HTTP/1.1\r\nHost: x\r\nContent-Type: ", form_type,
                  "\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const string piece(65536, 'x');
  for (int i = 0; i < 20; ++i) client.send("10000\r\n" + piece + "\r\n");
  client.send("0\r\n\r\n");
  reply = client.reply();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(json_of(reply)["error"],
            "the body has more than 1048576 bytes; at most 1048576 are taken (--max-upload-mb 1)");
  reply = server.client().post_form(analysis, std::vector<FormPart>(4, {"file", "f", grey_film(1)}));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(json_of(reply)["error"], "the form has 4 files; at most 3 are taken at once (--max-files)");
  EXPECT_EQ(serve::HttpLimits{}.body_bytes, 64 << 20);
}

TEST(ServeConnections, F10HealthIsQuickUnderFullLoadWithASlowUpload) {
  Serving server({.checkpoints = {"meter=" + meter_checkpoint()}});
  Meter::milliseconds = 5;
  std::atomic<bool> stop = false;
  std::vector<std::thread> load;
  for (int i = 0; i < 16; ++i) {
    load.emplace_back([&, i] {
      HttpClient client = server.client();
      while (!stop)
        EXPECT_EQ(label_of(client.post_form(analysis, {{"file", "f", grey_film(i)}})), cat("g", i));
    });
  }
  load.emplace_back([&] {
    HttpClient slow = server.client();
    slow.send(cat("POST ", analysis, " HTTP/1.1\r\nHost: x\r\nContent-Type: ", form_type,
                  "\r\nContent-Length: 60000000\r\n\r\n"));
    const string piece(300000, 'x');
    for (int i = 0; !stop; ++i) {
      if (i < 190) slow.send(piece);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  HttpClient client = server.client();
  const auto health = [&] {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(client.get(i % 2 ? "/healthz" : "/v2/health/ready").status, 200);
  };
  health();
  // Nor do they wait where no film is answered at all. How quick they are is what `bench serve` measures.
  Meter::held = true;
  health();
  Meter::held = false;
  stop = true;
  for (std::thread& t : load) t.join();
}

TEST(ServeConnections, F12DrainingAnswersWhatIsUnderWayAndRefusesTheRest) {
  Serving server({.model = {.batch = 1}});
  Meter::held = true;
  std::vector<HttpReply> replies(20);
  std::thread drain([&] {
    EXPECT_TRUE(Serving::soon([&] { return server.models().at("").under_way_ >= 15; }));
    server.application().drain();
    Meter::held = false;
    const HttpReply late = server.client().post_form(analysis, {{"file", "f", grey_film(1)}});
    EXPECT_EQ(late.status, 503);
    EXPECT_EQ(json_of(late)["error"], "the server is being stopped; ask another one");
    EXPECT_EQ(server.client().get("/v2/health/ready").status, 503);
    EXPECT_EQ(server.client().get("/v2/health/live").status, 200);
  });
  side_by_side(20, [&](int i) {
    replies[static_cast<std::size_t>(i)] = server.client().post_form(analysis, {{"file", "f", grey_film(i)}});
  });
  drain.join();
  int answered = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    if (replies[i].status == 200) {
      ++answered;
      EXPECT_EQ(label_of(replies[i]), cat("g", i));
    } else {
      EXPECT_EQ(replies[i].status, 503);
    }
  }
  EXPECT_GE(answered, 15);
}

TEST(ServeConnections, F13ABodyMayComeByteByByte) {
  Serving server({.checkpoints = {"meter=" + meter_checkpoint()}});
  HttpClient client = server.client();
  const string text = client.text_of("POST", analysis, {{"Content-Type", form_type}},
                                     form_body({{"note", "", "two\r\nlines"},
                                                {"file", "a", grey_film(11, 30)},
                                                {"file", "b", ""},
                                                {"file", "b", grey_film(12)}}));
  for (const char& byte : text) client.send({&byte, 1});
  HttpReply reply = client.reply();
  EXPECT_EQ(label_of(reply, 0), "g11");
  EXPECT_EQ(label_of(reply, 1), "g12");
  EXPECT_EQ(json_of(reply)["errors"][0]["index"], 1);
  // Two pieces, cut at every place of the first part's header.
  for (std::size_t cut = 100; cut < 320; cut += 20) {
    client.send(text.substr(0, cut));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    client.send(text.substr(cut));
    EXPECT_EQ(label_of(client.reply(), 1), "g12") << cut;
  }
}

// 50 peers in the middle of their headers and five in that of a body.
struct SlowPeers {
  explicit SlowPeers(const Serving& server) {
    for (int i = 0; i < 50; ++i) {
      headers.push_back(server.client(30));
      headers.back().send("GET / HTTP/1.1\r\nHo");
    }
    for (int i = 0; i < 5; ++i) {
      bodies.push_back(server.client(30));
      bodies.back().send(cat("POST ", analysis, " HTTP/1.1\r\nHost: x\r\nContent-Type: ", form_type,
                             "\r\nContent-Length: 100\r\n\r\nabc"));
    }
  }
  std::vector<HttpClient> headers, bodies;
};

TEST(ServeConnections, NobodyWaitsForSlowPeers) {
  Serving server({.http = {.limits = {.connections = 64, .header_seconds = 60, .body_seconds = 60}}});
  const SlowPeers slow(server);
  EXPECT_EQ(label_of(server.client().post_form(analysis, {{"file", "f", grey_film(2)}})), "g2");
  EXPECT_EQ(server.counts().late, 0);
  // More than may connect: those that have said nothing for longest give way.
  std::vector<HttpClient> more;
  for (int i = 0; i < 100; ++i) {
    more.push_back(server.client());
    more.back().send("GET");
  }
  EXPECT_EQ(label_of(server.client().post_form(analysis, {{"file", "f", grey_film(2)}})), "g2");
}

TEST(ServeConnections, SlowPeersAreEnded) {
  Serving server({.http = {.limits = {.connections = 64, .header_seconds = 0.4, .body_seconds = 0.4}}});
  SlowPeers slow(server);
  for (HttpClient& c : slow.headers) EXPECT_TRUE(c.closed_by_peer(30));
  for (HttpClient& c : slow.bodies) {
    const HttpReply reply = c.reply();
    EXPECT_EQ(reply.status, 408);
    EXPECT_EQ(json_of(reply)["error"], "the body did not come within 0.4 s (--body-seconds)");
  }
  EXPECT_GE(server.counts().late, 55);
}

TEST(ServeConnections, HostileRequestsEndNobodyElses) {
  Serving server({.http = {.limits = {.header_bytes = 2000}}});
  HttpClient good = server.client();
  const string host = "Host: x\r\n", long_value(1900, 'a');
  for (const string& text : {
           string("\r\n\r\n\r\n"),
           string("GET\r\n\r\n"),
           string("NONSENSE / HTTP/9.9\r\n\r\n"),
           string(5000, '\0'),
           string("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
           string("POST /healthcare/mri/analysis HTTP/1.1\r\nHost: x\r\nContent-Length: "
                  "99999999999999999999\r\n\r\n"),
           string("POST /healthcare/mri/analysis HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                  "chunked\r\n\r\nZZZ\r\n"),
           string("GET /%00%ff/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"),
           "GET / HTTP/1.1\r\n" + host + "A: " + string(200000, 'b') + "\r\n\r\n",
       }) {
    HttpClient bad = server.client(1);
    bad.send(text);
    try {
      EXPECT_GE(bad.reply().status, 400) << text.substr(0, 60);
    } catch (const FileError&) {  // hung up on
    }
    EXPECT_EQ(good.get("/healthz").status, 200);
  }
  const HttpReply many = server.client().request("GET", "/", {{"A", long_value}, {"B", long_value}}, "");
  EXPECT_EQ(many.status, 431);
  EXPECT_NE(json_of(many)["error"].get<string>().find("at most 2000 are read (--header-bytes)"),
            string::npos);
  // What is behind a refused body is no request.
  HttpClient smuggler = server.client();
  smuggler.send(
      "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nGET /healthz HTTP/1.1\r\nHost: "
      "x\r\n\r\n");
  const HttpReply ended = smuggler.reply();
  EXPECT_EQ(ended.status, 404);
  EXPECT_EQ(ended.header("connection"), "close");
  EXPECT_EQ(label_of(server.client().post_form(analysis, {{"file", "f", grey_film(2)}})), "g2");
}

TEST(ServeConnections, BodiesOfAllRequestsTogetherAreBounded) {
  Serving server({.http = {.limits = {.body_bytes = 1 << 20, .held_bytes = 1 << 20}}});
  HttpClient half = server.client();
  const string head = cat("POST ", analysis, " HTTP/1.1\r\nHost: x\r\nContent-Type: ", form_type,
                          "\r\nContent-Length: 900000\r\n\r\n");
  half.send(head + string(800000, 'x'));
  ASSERT_TRUE(Serving::soon([&] { return server.counts().held_bytes == 800000; }));
  HttpClient other = server.client();
  other.send(head + string(900000, 'x'));
  const HttpReply reply = other.reply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(json_of(reply)["error"],
            "bodies of other requests fill the 1.0 MiB that may be held (--max-held-mb); ask again later");
  half.close();
  EXPECT_TRUE(Serving::soon([&] { return server.counts().held_bytes == 0; }));
}

TEST(ServeConnections, ATokenIsNeededEverywhereButForHealthAndThePage) {
  Serving server({.token = "s3cret"});
  HttpClient client = server.client();
  const auto with = [&](const string& path, const string& token) {
    return client.request("GET", path, {{"Authorization", token}}, "");
  };
  for (const char* open : {"/", "/page/main.js", "/healthz", "/v2/health/live", "/v2/health/ready"})
    EXPECT_EQ(client.get(open).status, 200) << open;
  for (const char* path : {"/version", "/metrics", "/openapi.json", "/v2", "/v2/models/meter"}) {
    const HttpReply none = client.get(path);
    EXPECT_EQ(none.status, 401) << path;
    EXPECT_EQ(json_of(none)["error"], "no token; send the header Authorization: Bearer TOKEN");
    EXPECT_EQ(none.header("www-authenticate"), "Bearer");
    EXPECT_EQ(json_of(with(path, "Bearer s3cre"))["error"],
              "not the token; send the header Authorization: Bearer TOKEN");
    EXPECT_EQ(with(path, "Bearer s3cret").status, 200);
  }
  EXPECT_EQ(client.post_form(analysis, {{"file", "f", grey_film(1)}}).status, 401);
}

TEST(ServeConnections, F2MemoryIsFlatWhateverTheSizes) {
  Serving server({.checkpoints = {"c=" + classifier_checkpoint()}});
  const auto round = [&](int from, int to) {
    side_by_side(4, [&](int t) {
      for (int size = from + t; size < to; size += 4)  // a new connection each time
        EXPECT_EQ(
            server.client().post_form(analysis, {{"file", "f", grey_film(size % 64, 100 + size)}}).status,
            200);
    });
  };
  round(0, 300);
  const double before = server.metric("process_resident_memory_bytes");
  round(0, 300);
  const double after = server.metric("process_resident_memory_bytes");
  EXPECT_LT(after - before, 24e6);
}

}  // namespace
}  // namespace gadolin::test
