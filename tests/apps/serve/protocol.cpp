// The open inference protocol v2: both ways of sending and receiving data, and each breach by its field.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "apps/serve/v2_message.h"
#include "tests/apps/program.h"
#include "tests/apps/serve/serving.h"

namespace gadolin::test {
namespace {

using serve::HttpRefusal;
using std::string;

serve::V2Request v2_read(const string& text, const string& header = "") {
  return serve::read_v2_request({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, header);
}
string v2_breach(const string& text, const string& header = "") {
  try {
    v2_read(text, header);
  } catch (const HttpRefusal& refusal) {
    EXPECT_EQ(refusal.status, 400);
    return refusal.error;
  }
  return "nothing was refused";
}
string v2_input(const string& fields) { return "{\"inputs\":[{" + fields + "}]}"; }
std::vector<float> v2_floats_of(const string& raw) {
  std::vector<float> values(raw.size() / 4);
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

TEST(ServeProtocol, DataFlatNestedAndBinary) {
  const string tensor = "\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[2,2],";
  const std::vector<float> want{1, 2.5, -3, 4};
  EXPECT_EQ(v2_floats_of(v2_read(v2_input(tensor + "\"data\":[1,2.5,-3,4]")).inputs[0].raw), want);
  EXPECT_EQ(v2_floats_of(v2_read(v2_input(tensor + "\"data\":[[1,2.5],[-3,4]]")).inputs[0].raw), want);
  const string json = v2_input(tensor + "\"parameters\":{\"binary_data_size\":16}");
  const string raw(reinterpret_cast<const char*>(want.data()), 16);
  EXPECT_EQ(v2_floats_of(v2_read(json + raw, cat(json.size())).inputs[0].raw), want);
  const auto texts =
      v2_read(v2_input("\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[2],\"data\":[\"a\",\"bc\"]"))
          .inputs[0]
          .texts;
  EXPECT_EQ(texts, (std::vector<string>{"a", "bc"}));
  const string bytes =
      v2_input("\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[2],\"parameters\":{\"binary_data_size\":9}");
  EXPECT_EQ(v2_read(bytes + string("\0\0\0\0\1\0\0\0z", 9), cat(bytes.size())).inputs[0].texts,
            (std::vector<string>{"", "z"}));
  EXPECT_EQ(v2_read(v2_input("\"name\":\"x\",\"datatype\":\"INT8\",\"shape\":[3],\"data\":[-128,0,127]"))
                .inputs[0]
                .raw,
            string("\x80\0\x7f", 3));
  EXPECT_EQ(
      v2_read(v2_input("\"name\":\"x\",\"datatype\":\"BOOL\",\"shape\":[2],\"data\":[true,0]")).inputs[0].raw,
      string("\1\0", 2));
  EXPECT_EQ(serve::v2_element_bytes("FP16"), 2);
  EXPECT_EQ(serve::v2_element_bytes("FLOAT"), -1);
}

TEST(ServeProtocol, EachBreachNamesItsField) {
  const string named = "\"name\":\"x\",\"datatype\":\"FP32\",", tensor = named + "\"shape\":[2,2],";
  for (const auto& [text, header, want] : std::vector<std::tuple<string, string, string>>{
           {"{", "", "body: is no JSON; it goes wrong at byte 2"},
           {"[]", "", "body: is no JSON object"},
           {string(20, '['), "", "body: nested more than 16 deep"},
           {"{}", "", "inputs: is no list of tensors"},
           {"{\"inputs\":[]}", "", "inputs: is no list of tensors"},
           {"{\"inputs\":[3]}", "", "inputs[0]: is no object"},
           {"{\"id\":7,\"inputs\":[{}]}", "", "id: is no text"},
           {v2_input(""), "", "inputs[0].name: is missing"},
           {v2_input("\"name\":1"), "", "inputs[0].name: is no text"},
           {v2_input("\"name\":\"x\""), "", "inputs[0].datatype: is missing"},
           {v2_input("\"name\":\"x\",\"datatype\":\"float\""), "", "inputs[0].datatype: float is unknown"},
           {v2_input("\"name\":\"x\",\"datatype\":\"FP32\""), "", "inputs[0].shape: is missing"},
           {v2_input(named + "\"shape\":[]"), "", "inputs[0].shape: is no list of 1 to 8 sizes"},
           {v2_input(named + "\"shape\":[-1]"), "",
            "inputs[0].shape: has the size -1; sizes are whole numbers from 0"},
           {v2_input(tensor + "\"data\":[1,2,1e400,4]"), "",
            "body: has a number beyond those of 64 bits, such as 1e400"},
           {v2_input("\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[256,257]"), "",
            "inputs[0].shape: has 65792 elements of BYTES; at most 65536 are read"},
           {v2_input(named + "\"shape\":[99999,99999]"), "", "inputs[0].shape: has too many elements"},
           {v2_input(tensor + "\"x\":1"), "", "inputs[0].data: is missing"},
           {v2_input(tensor + "\"data\":3"), "", "inputs[0].data: is no list"},
           {v2_input(tensor + "\"data\":[1,2,3]"), "", "inputs[0].data: has 3 elements, and the shape has 4"},
           {v2_input(tensor + "\"data\":[[1,2],[3]]"), "",
            "inputs[0].data: is nested otherwise than its shape says: 2 elements are needed in dimension 1"},
           {v2_input(tensor + "\"data\":[1,2,\"3\",4]"), "",
            "inputs[0].data[2]: is no number, and FP32 is stated"},
           {v2_input(tensor + "\"data\":[1,2,1e39,4]"), "", "inputs[0].data[2]: is too large for FP32"},
           {v2_input("\"name\":\"x\",\"datatype\":\"UINT8\",\"shape\":[1],\"data\":[256]"), "",
            "inputs[0].data[0]: does not fit UINT8"},
           {v2_input("\"name\":\"x\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[9223372036854775808]"),
            "", "inputs[0].data[0]: does not fit INT64"},
           {v2_input("\"name\":\"x\",\"datatype\":\"INT64\",\"shape\":[1],\"data\":[1.5]"), "",
            "inputs[0].data[0]: is no whole number, and INT64 is stated"},
           {v2_input("\"name\":\"x\",\"datatype\":\"BOOL\",\"shape\":[1],\"data\":[2]"), "",
            "inputs[0].data[0]: is neither true nor false, and BOOL is stated"},
           {v2_input("\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[2]"), "",
            "inputs[0].data[0]: is no text, and BYTES is stated"},
           {v2_input("\"name\":\"x\",\"datatype\":\"FP16\",\"shape\":[1],\"data\":[2]"), "",
            "inputs[0].data: FP16 has no form in JSON; send a binary tensor"},
           {v2_input(tensor + "\"data\":[1,2,3,4],\"parameters\":{\"binary_data_size\":16}"), "",
            "inputs[0].data: stands beside parameters.binary_data_size"},
           {v2_input(tensor + "\"parameters\":{\"binary_data_size\":-1}"), "",
            "inputs[0].parameters.binary_data_size: is no number of bytes"},
           {v2_input(tensor + "\"parameters\":{\"binary_data_size\":16}"), "",
            "inputs[0].parameters.binary_data_size: is 16, and 0 bytes are left in the body"},
           {v2_input(tensor + "\"parameters\":7"), "", "inputs[0].parameters: is no object"},
           {v2_input(tensor + "\"parameters\":{\"shared_memory_region\":\"r\"}"), "",
            "inputs[0].parameters.shared_memory_region: shared memory is not offered; send the data"},
           {"{}", "x", "Inference-Header-Content-Length: x is no number of bytes"},
           {"{}", "3", "Inference-Header-Content-Length: is 3, and the body has 2 bytes"},
       })
    EXPECT_EQ(v2_breach(text, header), want);
  const string good = v2_input(tensor + "\"data\":[1,2,3,4]");
  const string with = good.substr(0, good.size() - 1);
  EXPECT_EQ(v2_breach(with + ",\"outputs\":3}"), "outputs: is no list");
  EXPECT_EQ(v2_breach(with + ",\"outputs\":[3]}"), "outputs[0]: is no object");
  EXPECT_EQ(v2_breach(with + ",\"outputs\":[{}]}"), "outputs[0].name: is missing");
  EXPECT_EQ(v2_breach(with + ",\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":1}}]}"),
            "outputs[0].parameters.binary_data: is neither true nor false");
  EXPECT_EQ(v2_breach(with + ",\"outputs\":[{\"name\":\"y\",\"parameters\":{\"classification\":1}}]}"),
            "outputs[0].parameters.classification: is not offered; ask for the output label");
  EXPECT_EQ(v2_breach(good + "abc", cat(good.size())), "body: has 3 bytes behind its last tensor");
  const auto bytes = [](int size) {
    return v2_input(
        cat("\"name\":\"x\",\"datatype\":\"BYTES\",\"shape\":[1],\"parameters\":{\"binary_data_size\":", size,
            "}"));
  };
  EXPECT_EQ(v2_breach(bytes(3) + "abc", cat(bytes(3).size())),
            "inputs[0].parameters.binary_data_size: ends inside element 0 of BYTES");
  EXPECT_EQ(v2_breach(bytes(8) + string(8, '\0'), cat(bytes(8).size())),
            "inputs[0].parameters.binary_data_size: holds 2 elements, and the shape has 1");
  EXPECT_EQ(v2_breach(bytes(12) + string(12, '\0'), cat(bytes(12).size())),
            "inputs[0].parameters.binary_data_size: holds more than 1 elements, and the shape has 1");
  const string sized = v2_input(tensor + "\"parameters\":{\"binary_data_size\":8}");
  EXPECT_EQ(v2_breach(sized + string(8, 'a'), cat(sized.size())),
            "inputs[0].parameters.binary_data_size: is 8, and the shape has 4 elements of 4 bytes");
}

class ServeProtocolServer : public testing::Test {
 protected:
  ServeProtocolServer()
      : server_({.checkpoints = {"m=" + meter_checkpoint(), "c=" + several_labels_checkpoint()}}) {}
  HttpReply infer(const string& body, const std::vector<std::pair<string, string>>& headers = {},
                  const string& model = "m") {
    return server_.client().request("POST", "/v2/models/" + model + "/infer", headers, body);
  }
  Serving server_;
};

TEST_F(ServeProtocolServer, HealthAndMetadata) {
  HttpClient client = server_.client();
  EXPECT_EQ(json_of(client.get("/v2"))["extensions"], Json{"binary_tensor_data"});
  EXPECT_EQ(client.get("/v2/health/live").status, 200);
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  EXPECT_EQ(client.get("/v2/models/m/versions/1/ready").status, 200);
  EXPECT_EQ(client.get("/v2/models/m/versions/2/ready").status, 404);
  EXPECT_EQ(json_of(client.get("/v2/models/none"))["error"], "model none is unknown; served are m, c");
  const Json meta = json_of(client.get("/v2/models/c"));
  EXPECT_EQ(meta["inputs"][1].dump(), R"({"name":"image","datatype":"FP32","shape":[-1,1,32,32]})");
  EXPECT_EQ(meta["outputs"][0].dump(), R"({"name":"probabilities","datatype":"FP32","shape":[-1,2]})");
  EXPECT_EQ(meta["versions"], Json{"1"});
  EXPECT_EQ(meta["platform"], "gadolin_classification");
}

TEST_F(ServeProtocolServer, ATensorAsJsonAndABinaryAnswer) {
  string rows;
  for (int n = 0; n < 2; ++n)
    for (int i = 0; i < 64; ++i) rows += cat(rows.empty() ? "" : ",", n == 0 ? 20. / 255 : 252. / 255);
  const string json =
      "{\"id\":\"q1\",\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[2,1,8,8],\"data\":[" +
      rows + "]}]";
  const Json answer = json_of(infer(json + ",\"outputs\":[{\"name\":\"label\"}]}"));
  EXPECT_EQ(answer.dump(), R"({"model_name":"m","model_version":"1","id":"q1","outputs":[{"name":"label",)"
                           R"("datatype":"BYTES","shape":[2],"data":["g5","g63"]}]})");
  const HttpReply binary = infer(json + ",\"parameters\":{\"binary_data_output\":true}}");
  ASSERT_EQ(binary.status, 200) << binary.body;
  EXPECT_EQ(binary.header("content-type"), "application/octet-stream");
  const auto header = static_cast<std::size_t>(std::stoi(binary.header("inference-header-content-length")));
  const Json facts = Json::parse(binary.body.substr(0, header));
  EXPECT_EQ(facts["outputs"][0]["parameters"]["binary_data_size"], 2 * 64 * 4);
  EXPECT_GT(v2_floats_of(binary.body.substr(header, 512))[5], 0.99f);
  EXPECT_TRUE(binary.body.ends_with(string("\2\0\0\0g5\3\0\0\0g63", 13)));
}

TEST_F(ServeProtocolServer, AFileAsBytesGivesWhatTheOtherRouteGives) {
  const string film = grey_film(9, 40);
  const std::uint32_t length = static_cast<std::uint32_t>(film.size());
  const string json =
      cat("{\"inputs\":[{\"name\":\"file\",\"datatype\":\"BYTES\",\"shape\":[1],\"parameters\":{\"binary_"
          "data_size\":",
          film.size() + 4, "}}],\"outputs\":[{\"name\":\"probabilities\"}]}");
  const HttpReply reply = infer(json + string(reinterpret_cast<const char*>(&length), 4) + film,
                                {{"Inference-Header-Content-Length", cat(json.size())}}, "c");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json other = json_of(
      server_.client().post_form("/healthcare/mri/analysis", {{"file", "f", film}, {"model", "", "c"}}));
  EXPECT_EQ(json_of(reply)["outputs"][0]["data"][0].get<float>(),
            other["results"][0]["probabilities"]["Effusion"].get<float>());
}

TEST_F(ServeProtocolServer, BreachesOfTheModel) {
  const auto error = [&](const string& fields, const string& rest = "") {
    const HttpReply reply = infer("{\"inputs\":[{" + fields + "}]" + rest + "}", {}, "c");
    EXPECT_EQ(reply.status, 400) << reply.body;
    return json_of(reply)["error"].get<string>();
  };
  EXPECT_EQ(error("\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1],\"data\":[1]"),
            "inputs[0].name: x is unknown; c takes file or image");
  EXPECT_EQ(error("\"name\":\"image\",\"datatype\":\"FP64\",\"shape\":[1],\"data\":[1]"),
            "inputs[0].datatype: is FP64, and image is FP32");
  EXPECT_EQ(error("\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,1,1,1],\"data\":[1]"),
            "inputs[0].shape: is [1, 1, 1, 1], and image is [-1, 1, 32, 32]");
  EXPECT_EQ(error("\"name\":\"file\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"a\"]"),
            "inputs[0].data: a file is no text; send it as a binary tensor");
  EXPECT_EQ(error("\"name\":\"file\",\"datatype\":\"BYTES\",\"shape\":[0],\"data\":[]"),
            "inputs[0].shape: no picture is given");
  EXPECT_EQ(infer("{}", {{"Content-Encoding", "gzip"}}).status, 415);
}

// What tritonclient sends, byte for byte (tools/fixtures/check_tritonclient.py --record).
TEST_F(ServeProtocolServer, RequestsOfTritonclient) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("serve"))) {
    if (entry.path().extension() != ".bin") continue;
    ++seen;
    HttpClient client = server_.client();
    client.send(contents_of(entry.path()));
    const HttpReply reply = client.reply();
    EXPECT_EQ(reply.status, 200) << entry.path() << " " << reply.body;
    EXPECT_NE(reply.body.find("g7"), string::npos) << entry.path() << " " << reply.body;
  }
  EXPECT_EQ(seen, 3);
}

}  // namespace
}  // namespace gadolin::test
