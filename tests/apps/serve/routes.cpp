// gadolin serve: what each route answers, and what it says to mistakes.
#include <gtest/gtest.h>

#include <filesystem>

#include "apps/serve/page/page.h"
#include "data/dicom/dicom.h"
#include "tests/apps/in_process.h"
#include "tests/apps/serve/serving.h"

namespace gadolin::test {
namespace {

using std::string;

string served_error(const HttpReply& reply) {
  const Json json = json_of(reply);
  EXPECT_TRUE(json.contains("request_id")) << reply.body;
  return json.value("error", "none");
}

TEST(ServeRoutes, FindingsOfSeveralFilms) {
  Serving server({.checkpoints = {"meter=" + meter_checkpoint()}});
  HttpClient client = server.client();
  const HttpReply reply = client.post_form(analysis, {{"file", "a.png", grey_film(7, 20)},
                                                      {"__ajax", "", "true"},
                                                      {"file", "../../b.txt", "no picture"},
                                                      {"file", "", grey_film(63)}});
  EXPECT_EQ(reply.status, 200);
  const Json json = json_of(reply);
  EXPECT_EQ(json["request_id"].get<string>().size(), 36u);
  EXPECT_EQ(json["request_id"], reply.header("x-request-id"));
  EXPECT_EQ(json["model"], "meter@" + server.models().at("").hash());
  ASSERT_EQ(json["results"].size(), 2u);
  const Json& first = json["results"][0];
  EXPECT_EQ(first["file"], "a.png");
  EXPECT_EQ(first["label"], "g7");
  EXPECT_EQ(first["width"], 20);
  EXPECT_EQ(first["height"], 20);
  EXPECT_EQ(first["format"], "PNG");
  EXPECT_EQ(first["warnings"], Json::array());
  EXPECT_GE(first["ms"].get<double>(), 0);
  EXPECT_EQ(first["probabilities"].size(), 64u);
  EXPECT_EQ(json["results"][1]["file"], "file");
  EXPECT_EQ(json["results"][1]["index"], 2);
  EXPECT_EQ(json["results"][1]["label"], "g63");
  ASSERT_EQ(json["errors"].size(), 1u);
  EXPECT_EQ(json["errors"][0].dump(),
            R"({"file":"../../b.txt","index":1,"error":"unsupported image; PNG, JPEG and DICOM are read"})");
}

TEST(ServeRoutes, SeveralModelsThresholdsAndPositives) {
  Serving server({.checkpoints = {"meter=" + meter_checkpoint(), "chest=" + several_labels_checkpoint()}});
  HttpClient client = server.client();
  const Json json =
      json_of(client.post_form(analysis, {{"file", "a.png", grey_film(20, 40)}, {"model", "", "chest"}}));
  EXPECT_EQ(json["several_labels"], true);
  EXPECT_EQ(json["classes"], (Json{"Effusion", "Hernia"}));
  const Json& result = json["results"][0];
  EXPECT_EQ(result["thresholds"].dump(), R"({"Effusion":1e-06,"Hernia":null})");
  EXPECT_EQ(result["positive"], Json{"Effusion"});
  EXPECT_EQ(served_error(client.post_form(analysis, {{"file", "a.png", grey_film(1)}, {"model", "", "mri"}})),
            "model mri is unknown; served are meter, chest");
  const Json version = json_of(client.get("/version"));
  EXPECT_EQ(version["ready"], true);
  EXPECT_EQ(version["models"][1]["thresholds"].dump(), R"({"Effusion":1e-06,"Hernia":null})");
  EXPECT_EQ(version["models"][1]["heatmap"], true);
  EXPECT_EQ(version["limits"].dump(), R"({"max_upload_mb":64.0,"max_files":16,"max_pixels":100000000})");
}

using Headers = std::vector<std::pair<string, string>>;

// Browsers get the page; scripts get the words of the original program (apps-spec 3.6).
TEST(ServeRoutes, TheRootIsAPageForBrowsersAndAWordForScripts) {
  Serving server;
  HttpClient client = server.client();
  const auto root = [&](const Headers& headers) { return client.request("GET", "/", headers, ""); };
  const string browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
  EXPECT_NE(root({{"Accept", browser}}).body.find("<html"), string::npos);
  for (const Headers& script : {Headers{}, Headers{{"Accept", "*/*"}}, Headers{{"Accept", "text/plain"}}}) {
    const HttpReply reply = root(script);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "Server is on");
  }
}

// An answer that comes too late has nobody who wants it: what it still has in the queue is not computed.
TEST(ServeRoutes, WhatIsTooLateLeavesTheQueue) {
  Serving server({.model = {.batch = 1}, .limits = {.answer_seconds = 0.1}});
  Meter::held = true;
  const std::int64_t before = Meter::computed;
  std::vector<FormPart> films;
  for (int i = 0; i < 5; ++i) films.push_back({"file", cat(i, ".png"), grey_film(i)});
  EXPECT_EQ(served_error(server.client().post_form(analysis, films)),
            "the answer took longer than 0.1 s (--answer-seconds); ask again later");
  EXPECT_TRUE(Serving::soon([&] { return server.metric("gadolin_queue_pictures{model=\"meter\"}") == 0; }));
  Meter::held = false;
  EXPECT_TRUE(Serving::soon([&] { return server.models().at("").under_way_ == 0; }));
  EXPECT_LE(Meter::computed - before, 1);
}

TEST(ServeRoutes, EveryMistakeIsJsonWithItsStatus) {
  Serving server({.limits = {.pixels = 1000}});
  HttpClient client = server.client();
  const auto ask = [&](const string& type, const string& body) {
    return client.request("POST", analysis, {{"Content-Type", type}}, body);
  };
  struct Case {
    HttpReply reply;
    int status;
    string error;
  };
  const string head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
  for (const Case& c : {
           Case{client.get("/nothing"), 404,
                "there is nothing at /nothing; /openapi.json lists what there is"},
           Case{client.get(analysis), 405, "/healthcare/mri/analysis does not take GET; it takes POST"},
           Case{ask("image/png", "x"), 415,
                "Content-Type is image/png; send multipart/form-data with a part file"},
           Case{client.request("POST", analysis, {}, "x"), 415,
                "Content-Type is missing; send multipart/form-data with a part file"},
           Case{client.request(
                    "POST", analysis,
                    {{"Content-Type", "multipart/form-data; boundary=x"}, {"Content-Encoding", "gzip"}}, "x"),
                415, "Content-Encoding is gzip; bodies are taken as they are"},
           Case{ask("multipart/form-data", "x"), 400,
                "form: Content-Type states no boundary of 1 to 70 characters"},
           Case{ask("multipart/form-data; boundary=x", head + "abc"), 400,
                "form: the body ends before its last boundary; was it sent whole?"},
           Case{ask("multipart/form-data; boundary=x", "--x\r\nA: b\r\n\r\n\r\n--x--"), 400,
                "form: a part has no Content-Disposition: form-data with a name; as in RFC 7578"},
           Case{client.post_form(analysis, {{"other", "a.png", grey_film(1)}}), 400,
                "no part file; send one or more films as file of multipart/form-data"},
           Case{client.post_form(analysis, {{"file", "a", "x"}}), 415,
                "unsupported image; PNG, JPEG and DICOM are read"},
           Case{client.post_form(analysis, {{"file", "a", ""}}), 415,
                "unsupported image: an empty file; PNG, JPEG and DICOM are read"},
           Case{client.post_form(analysis, {{"file", "a", string("PK\3\4", 4)}}), 415,
                "unsupported image: a zip archive; unpack it and send its films"},
           Case{client.post_form(analysis, {{"file", "a", grey_film(1, 40)}}), 413,
                "the picture has 40 x 40 pixels; at most 1000 are taken (--max-pixels)"},
           Case{client.post_form(analysis, {{"file", "a", "x"}, {"file", "b", grey_film(1, 40)}}), 422,
                "none of 2 files could be read"},
           Case{client.post_form("/heatmap", {{"file", "a", grey_film(1)}, {"class", "", "lung"}}), 400, ""},
           Case{client.post_form("/heatmap", {{"file", "a", grey_film(1)}, {"alpha", "", "nan"}}), 400,
                "field alpha is nan; a number from 0 to 1 is needed"},
           Case{client.post_form("/heatmap", {{"file", "a", grey_film(1)}, {"longest", "", "16.5"}}), 400,
                "field longest is 16.5; a whole number from 16 to 16384 is needed"},
           Case{client.post_form("/heatmap", {}), 400,
                "no part file; send one film as file of multipart/form-data"},
           Case{client.post_form("/picture", {{"file", "a.png", grey_film(1)}, {"center", "", "40"}}), 400,
                "field width is missing; a window has center and width"},
           Case{client.post_form("/picture",
                                 {{"file", "a.png", grey_film(1)}, {"center", "", "40"}, {"width", "", "4"}}),
                400, "field center is for DICOM, and a.png is PNG"},
           Case{client.post_form("/values", {{"file", "a.png", grey_film(1)}}), 415,
                "a.png is PNG; only DICOM has values"},
           Case{client.request("POST", analysis, {{"Sec-Fetch-Site", "cross-site"}}, "x"), 403,
                "the page of another site asked; only the server's own page may"},
       }) {
    EXPECT_EQ(c.reply.status, c.status) << c.reply.body;
    if (!c.error.empty()) {
      EXPECT_EQ(served_error(c.reply), c.error);
    }
    EXPECT_EQ(c.reply.header("content-type"), "application/json");
  }
  EXPECT_EQ(client.get(analysis).header("allow"), "POST");
  const string cut = grey_film(1, 30).substr(0, 60);
  const HttpReply damaged = client.post_form(analysis, {{"file", "cut.png", cut}});
  EXPECT_EQ(damaged.status, 422);
  EXPECT_NE(served_error(damaged).find("cut.png"), string::npos) << damaged.body;
  EXPECT_EQ(json_of(client.post_form(analysis, {{"file", "a", grey_film(9)}}))["results"][0]["label"], "g9");
}

TEST(ServeRoutes, HeadMethodsAndTheDescription) {
  Serving server({.checkpoints = {"meter=" + meter_checkpoint()}});
  HttpClient client = server.client();
  EXPECT_EQ(client.request("HEAD", "/healthz", {}, "").status, 200);
  EXPECT_EQ(client.get("/healthz").body, "{\"status\":\"ok\"}\n");
  const Json page = json_of(client.get("/openapi.json"));
  EXPECT_EQ(page["openapi"], "3.1.0");
  for (const serve::Route& route : server.application().routes().routes()) {
    string method = route.method == "GET" ? "get" : "post";
    EXPECT_TRUE(page["paths"][route.path].contains(method)) << route.path;
  }
  const Json& form =
      page["paths"][analysis]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"];
  EXPECT_EQ(form["required"], Json{"file"});
  EXPECT_EQ(page["paths"]["/v2/models/{model}/infer"]["post"]["parameters"][0]["name"], "model");
}

TEST(ServeRoutes, ThePageComesWithItsPolicy) {
  Serving server({.token = "secret"});
  HttpClient client = server.client();
  for (const serve::PageFile& file : serve::page_files()) {
    const HttpReply reply = client.request("GET", string(file.path), {{"Accept", "text/html"}}, "");
    EXPECT_EQ(reply.status, 200) << file.path;
    EXPECT_EQ(reply.body, file.text) << file.path;
    EXPECT_EQ(reply.header("content-type"), file.type);
    EXPECT_EQ(reply.header("content-security-policy"), serve::page_policy);
    EXPECT_EQ(reply.header("x-content-type-options"), "nosniff");
  }
}

TEST(ServeRoutes, HeatMapsAreThoseOfTheCommand) {
  Serving server({.checkpoints = {"c=" + classifier_checkpoint()}});
  HttpClient client = server.client();
  const Scratch dir;
  const auto png = encode_png(pattern(70, 50, 1));
  const string film(png.begin(), png.end());
  dir.write("film.png", film);
  ASSERT_EQ(run_here({"cam", dir / "film.png", "--checkpoint", classifier_checkpoint(), "--class", "b",
                      "--alpha", "1", "--device", "cpu", "--out", dir / "cams"})
                .code,
            0);
  const HttpReply reply = client.post_form("/heatmap", {{"file", "film.png", film}, {"class", "", "b"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.header("x-class"), "b");
  EXPECT_EQ(reply.header("x-width"), "70");
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(reply.body.data());
  EXPECT_EQ(decode_image({bytes, reply.body.size()}, "answer"), read_image(dir / "cams/film.cam.png"));
  const HttpReply small =
      client.post_form("/heatmap", {{"file", "f", film}, {"class", "", "2"}, {"longest", "", "35"}});
  EXPECT_EQ(small.header("x-class"), "c");
  EXPECT_EQ(
      decode_image({reinterpret_cast<const std::uint8_t*>(small.body.data()), small.body.size()}, "s").height,
      25);
  EXPECT_EQ(served_error(client.post_form("/heatmap", {{"file", "f", film}, {"class", "", "7"}})),
            "class 7 is unknown; known are a, b, c");
}

TEST(ServeRoutes, WindowsAndValuesOfDicom) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  Serving server({.checkpoints = {"meter=" + meter_checkpoint()}});
  HttpClient client = server.client();
  const string
      path = fixture(
          "dicom/ct-transfer-syntaxes/CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm"),
      film = contents_of(path);
  const auto decoded = [](const HttpReply& reply) {
    return decode_image({reinterpret_cast<const std::uint8_t*>(reply.body.data()), reply.body.size()},
                        "answer");
  };
  const HttpReply own = client.post_form("/picture", {{"file", "f", film}});
  ASSERT_EQ(own.status, 200) << own.body;
  const DicomFile file = DicomFile::open(path);
  const DicomImage image = read_dicom_image(file);
  EXPECT_EQ(decoded(own), to_image(image));
  DicomDisplayOptions window;
  window.window = DicomWindow{40, 400, "", "LINEAR"};
  EXPECT_EQ(decoded(client.post_form("/picture",
                                     {{"file", "f", film}, {"center", "", "40"}, {"width", "", "400"}})),
            to_image(image, window));
  EXPECT_EQ(served_error(client.post_form("/picture", {{"file", "f", film}, {"frame", "", "1"}})),
            "field frame is 1; a number from 0 to 0 is needed");
  const HttpReply values = client.post_form("/values", {{"file", "f", film}});
  ASSERT_EQ(values.status, 200) << values.body;
  EXPECT_EQ(values.header("x-columns"), cat(image.columns));
  const auto want = to_hounsfield(image).to_vector<float>();
  ASSERT_EQ(values.body.size(), want.size() * 4);
  EXPECT_EQ(std::memcmp(values.body.data(), want.data(), values.body.size()), 0);
  EXPECT_EQ(values.header("x-inverted"), "false");
  const Json found = json_of(client.post_form(analysis, {{"file", "ct", film}}));
  EXPECT_EQ(found["results"][0]["format"], "DICOM");
  EXPECT_EQ(found["results"][0]["width"], image.columns);
}

TEST(ServeRoutes, FilmsAreKeptOnlyWhenAskedAndUnderOtherNames) {
  const Scratch dir;
  Serving server({.keep = dir.path()});
  HttpClient client = server.client();
  const Json json = json_of(client.post_form(analysis, {{"file", "../../etc/passwd", grey_film(5)}}));
  const string kept = dir / (json["request_id"].get<string>() + "-0.png");
  EXPECT_EQ(contents_of(kept), grey_film(5));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

}  // namespace
}  // namespace gadolin::test
