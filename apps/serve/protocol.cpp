// The open inference protocol v2: health, metadata, inference.
#include <algorithm>

#include "apps/serve/service.h"
#include "apps/serve/uploads.h"
#include "apps/serve/v2_message.h"
#include "tasks/classification.h"
#include "tasks/detection/detection.h"
#include "tensor/ops.h"

namespace gadolin::serve {
namespace {

constexpr const char* only_version = "1";

ServedModel& model_of(Service& service, const HttpRequest& request) {
  const std::string* version = field(request.captured, "version");
  if (version != nullptr && *version != only_version)
    refuse(404, "version ", utf8(version->substr(0, 40)), " is unknown; there is ", only_version);
  return service.models.at(*field(request.captured, "model"), 404);
}

bool classifies(const ServedModel& model) {
  return dynamic_cast<const ClassificationTask*>(&model.task()) != nullptr;
}

Json metadata(const ServedModel& model) {
  const auto tensor = [](const char* name, const char* datatype, std::vector<std::int64_t> shape) {
    return Json{{"name", name}, {"datatype", datatype}, {"shape", shape}};
  };
  const auto classes = static_cast<std::int64_t>(model.task().classes().size());
  Json inputs = Json::array(), outputs = Json::array();
  inputs.push_back(tensor("file", "BYTES", {-1}));
  if (classifies(model)) {
    const auto chw = model.input();
    inputs.push_back(tensor("image", "FP32", {-1, chw[0], chw[1], chw[2]}));
    outputs = {tensor("probabilities", "FP32", {-1, classes}), tensor("logits", "FP32", {-1, classes}),
               tensor("label", "BYTES", {-1})};
  } else {
    outputs = {tensor("boxes", "FP32", {-1, -1, 4}), tensor("score", "FP32", {-1, -1}),
               tensor("class", "INT64", {-1, -1}), tensor("count", "INT64", {-1})};
  }
  return {{"name", model.name()},
          {"versions", {only_version}},
          {"platform", cat("gadolin_", model.task().kind())},
          {"inputs", inputs},
          {"outputs", outputs},
          {"parameters", {{"hash", model.hash()}, {"classes", model.task().classes()}}}};
}

// The pictures of a request, each as a batch of one.
std::vector<Batch> pictures_of(const Service& service, const ServedModel& model, const V2Request& request) {
  if (request.inputs.size() != 1)
    refuse(400, "inputs: ", request.inputs.size(), " tensors are given; one is needed, file or image");
  const V2Tensor& input = request.inputs[0];
  std::vector<Batch> pictures;
  if (input.name == "file") {
    if (input.datatype != "BYTES")
      refuse(400, "inputs[0].datatype: is ", input.datatype, ", and file is BYTES");
    if (input.shape.size() != 1 && !(input.shape.size() == 2 && input.shape[1] == 1))
      refuse(400, "inputs[0].shape: file has the shape [N] or [N, 1]");
    if (!input.binary && !input.texts.empty())
      refuse(400, "inputs[0].data: a file is no text; send it as a binary tensor");
    for (std::size_t i = 0; i < input.texts.size(); ++i) {
      const Bytes bytes(reinterpret_cast<const std::uint8_t*>(input.texts[i].data()), input.texts[i].size());
      try {
        const UploadSet set(
            {checked_upload({"file", cat("inputs[0].data[", i, "]"), bytes}, service.limits.pixels)},
            model.task().classes());
        pictures.push_back(model.one(set, 0));
      } catch (const HttpRefusal& refusal) {
        refuse(refusal.status, "inputs[0].data[", i, "]: ", refusal.error);
      }
    }
    return pictures;
  }
  if (input.name != "image" || !classifies(model))
    refuse(400, "inputs[0].name: ", utf8(input.name.substr(0, 100)), " is unknown; ", model.name(), " takes ",
           classifies(model) ? "file or image" : "file");
  if (input.datatype != "FP32") refuse(400, "inputs[0].datatype: is ", input.datatype, ", and image is FP32");
  const auto chw = model.input();
  bool fits = input.shape.size() == 4;
  for (std::size_t d = 0; fits && d < 3; ++d)
    fits = chw[d] < 0 ? input.shape[d + 1] > 0 : input.shape[d + 1] == chw[d];
  if (!fits)
    refuse(400, "inputs[0].shape: is ", Shape(input.shape), ", and image is ",
           Shape({-1, chw[0], chw[1], chw[2]}));
  const std::int64_t channels = input.shape[1], row = channels * input.shape[2] * input.shape[3];
  if (row > service.limits.pixels) refuse(413, "inputs[0].shape: more pixels than are taken (--max-pixels)");
  const auto* values = reinterpret_cast<const float*>(input.raw.data());
  for (std::int64_t n = 0; n < input.shape[0]; ++n) {
    const std::vector<float> one(values + n * row, values + (n + 1) * row);
    Batch batch({"image"},
                {from_vector(one, {1, channels, input.shape[2], input.shape[3]}).to(model.options().device)});
    batch.indices = {n};
    pictures.push_back(std::move(batch));
  }
  return pictures;
}

std::vector<V2Tensor> class_outputs(const Task& task, const std::vector<Outputs>& answers) {
  std::vector<float> logits, p;
  V2Tensor label{"label", "BYTES", {std::ssize(answers)}, {}, {}};
  for (const Outputs& outputs : answers) {
    for (const float v : outputs["logits"].to_vector<float>()) logits.push_back(v);
    const std::vector<double> own = task.class_probabilities(outputs, 0);
    for (const double v : own) p.push_back(static_cast<float>(v));
    label.texts.push_back(task.classes()[static_cast<std::size_t>(likeliest(task, own))]);
  }
  const std::vector<std::int64_t> shape{std::ssize(answers),
                                        static_cast<std::int64_t>(task.classes().size())};
  return {v2_floats("probabilities", shape, p), v2_floats("logits", shape, logits), std::move(label)};
}

// In pixels of the films' files; rows behind `count` are 0.
std::vector<V2Tensor> box_outputs(const std::vector<Outputs>& answers) {
  std::vector<std::vector<Detection>> all;
  std::size_t most = 0;
  for (const Outputs& outputs : answers) {
    all.push_back(detections_of(outputs)[0]);
    most = std::max(most, all.back().size());
  }
  std::vector<float> boxes(all.size() * most * 4), score(all.size() * most);
  std::vector<std::int64_t> label(all.size() * most), count;
  for (std::size_t n = 0; n < all.size(); ++n) {
    for (std::size_t k = 0; k < all[n].size(); ++k) {
      const Detection& d = all[n][k];
      const double corners[] = {d.box.x1, d.box.y1, d.box.x2, d.box.y2};
      for (std::size_t c = 0; c < 4; ++c) boxes[(n * most + k) * 4 + c] = static_cast<float>(corners[c]);
      score[n * most + k] = static_cast<float>(d.score);
      label[n * most + k] = d.box.label;
    }
    count.push_back(std::ssize(all[n]));
  }
  const std::int64_t rows = std::ssize(all), columns = static_cast<std::int64_t>(most);
  return {v2_floats("boxes", {rows, columns, 4}, boxes), v2_floats("score", {rows, columns}, score),
          v2_integers("class", {rows, columns}, label), v2_integers("count", {rows}, count)};
}

std::vector<V2Tensor> chosen(std::vector<V2Tensor> outputs, const V2Request& request) {
  if (request.outputs.empty()) {
    for (V2Tensor& t : outputs) t.binary = request.binary;
    return outputs;
  }
  std::vector<V2Tensor> wanted;
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    const std::string& name = request.outputs[i].name;
    const auto found =
        std::find_if(outputs.begin(), outputs.end(), [&](const V2Tensor& t) { return t.name == name; });
    if (found == outputs.end())
      refuse(400, "outputs[", i, "].name: ", utf8(name.substr(0, 100)), " is unknown");
    wanted.push_back(*found);
    wanted.back().binary = request.outputs[i].binary;
  }
  return wanted;
}

HttpAnswer infer(Service& service, HttpRequest& http) {
  ServedModel& model = model_of(service, http);
  const std::string* header = field(http.headers, "inference-header-content-length");
  const V2Request request = read_v2_request(http.body, header == nullptr ? "" : *header);
  const std::int64_t n = request.inputs[0].shape[0];
  const ServedModel::Room room(model, n);
  const Interest interest(http.gone);
  std::vector<std::future<Outputs>> asked;
  for (Batch& picture : pictures_of(service, model, request))
    asked.push_back(model.predictor().submit(std::move(picture), interest.token()));
  if (asked.empty()) refuse(400, "inputs[0].shape: no picture is given");
  std::vector<Outputs> answers;
  for (auto& answer : asked) answers.push_back(ServedModel::wait_for(answer, service.limits.answer_seconds));
  service.pictures.add(label("model", model.name()) + ",outcome=\"answered\"", n);
  return write_v2_answer(
      model.name(), only_version, request.id,
      chosen(classifies(model) ? class_outputs(model.task(), answers) : box_outputs(answers), request));
}

}  // namespace

void add_protocol_routes(RouteTable& table, Service& service) {
  const auto get = [&](const char* path, const char* about, bool open, std::vector<int> errors, auto run) {
    table.add({.method = "GET",
               .path = path,
               .about = about,
               .run = run,
               .quick = true,
               .open = open,
               .errors = std::move(errors)});
  };
  get("/v2", "Name, version, extensions", false, {}, [&service](HttpRequest&) {
    return json_answer(
        {{"name", "gadolin"}, {"version", service.version}, {"extensions", {"binary_tensor_data"}}});
  });
  get("/v2/health/live", "The server runs", true, {}, [](HttpRequest&) {
    return json_answer({{"live", true}});
  });
  get("/v2/health/ready", "All models are loaded and have answered once", true, {503},
      [&service](HttpRequest&) {
        for (const auto& model : service.models.all()) model->require_ready();
        return json_answer({{"ready", true}});
      });
  for (const std::string version : {"", "/versions/{version}"}) {
    const std::string path = "/v2/models/{model}" + version;
    get(path.c_str(), "Inputs and outputs of a model", false, {404, 503},
        [&service](HttpRequest& request) { return json_answer(metadata(model_of(service, request))); });
    get((path + "/ready").c_str(), "The model is loaded and has answered once", false, {404, 503},
        [&service](HttpRequest& request) {
          return json_answer({{"name", model_of(service, request).name()}, {"ready", true}});
        });
    table.add({.method = "POST",
               .path = path + "/infer",
               .about = "Inference; tensors as JSON or binary",
               .run = [&service](HttpRequest& request) { return infer(service, request); },
               .body = HttpPlan::Body::raw,
               .errors = {400, 404, 413, 415, 422, 503}});
  }
}

}  // namespace gadolin::serve
