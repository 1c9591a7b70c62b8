// Pictures for the page: heat maps, films by a window, values of a DICOM film.
#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/serve/page/page.h"
#include "apps/serve/service.h"
#include "apps/serve/uploads.h"
#include "data/dicom/dicom.h"
#include "data/image/resize.h"
#include "io/text.h"
#include "tasks/classification.h"
#include "tasks/inputs.h"
#include "tasks/overlay.h"

namespace gadolin::serve {
namespace {

Upload the_film(const Service& service, const HttpRequest& request) {
  const HttpPart* part = request.part("file");
  if (part == nullptr) refuse(400, "no part file; send one film as file of multipart/form-data");
  return checked_upload(*part, service.limits.pixels);
}

// A number of a field of the form; `otherwise` where it is not sent.
double number_of(const HttpRequest& request, const char* name, double otherwise, double least, double most) {
  const std::string text(trimmed(request.text(name)));
  if (text.empty()) return otherwise;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0' || !(value >= least && value <= most))
    refuse(400, "field ", name, " is ", utf8(text.substr(0, 50)), "; a number from ", least, " to ", most,
           " is needed");
  return value;
}

int whole_number_of(const HttpRequest& request, const char* name, int otherwise, int least, int most) {
  const double value = number_of(request, name, otherwise, least, most);
  if (value != std::floor(value))
    refuse(400, "field ", name, " is ", value, "; a whole number from ", least, " to ", most, " is needed");
  return static_cast<int>(value);
}

int longest_of(const HttpRequest& request, int otherwise) {
  return whole_number_of(request, "longest", otherwise, 16, 16384);
}

std::pair<int, int> reduced(int width, int height, int longest) {
  const double scale = std::min(1.0, static_cast<double>(longest) / std::max(width, height));
  return {std::max(1, static_cast<int>(std::lround(width * scale))),
          std::max(1, static_cast<int>(std::lround(height * scale)))};
}

HttpAnswer png_answer(const Image& picture, int longest) {
  const auto [width, height] = reduced(picture.width, picture.height, longest);
  const auto bytes = encode_png(width == picture.width ? picture : resize(picture, width, height), 1);
  return {200,
          "image/png",
          {bytes.begin(), bytes.end()},
          {{"X-Width", cat(picture.width)}, {"X-Height", cat(picture.height)}}};
}

int class_of(const std::string& text, const Task& task, const std::vector<double>& p) {
  const auto& classes = task.classes();
  if (text.empty()) return likeliest(task, p);
  const auto named = std::find(classes.begin(), classes.end(), text);
  if (named != classes.end()) return static_cast<int>(named - classes.begin());
  const bool number = text.size() < 7 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!number || std::stoul(text) >= classes.size())
    refuse(400, "class ", utf8(text.substr(0, 100)), " is unknown; known are ", joined(classes));
  return std::stoi(text);
}

HttpAnswer heatmap(Service& service, HttpRequest& request) {
  ServedModel& model = service.models.at(request.text("model"));
  const Task& task = model.task();
  if (dynamic_cast<const ClassificationTask*>(&task) == nullptr)
    refuse(400, "model ", model.name(),
           " is a detector, whose boxes show where; heat maps are of classifiers");
  const double alpha = number_of(request, "alpha", 1, 0, 1);
  const int longest = longest_of(request, 2048);
  const ServedModel::Room room(model, 1);
  const UploadSet set({the_film(service, request)}, task.classes());
  const Batch batch = model.one(set, 0);
  const Interest interest(request.gone);
  std::future<Outputs> answer = model.predictor().submit(batch, interest.token());
  const std::vector<double> p =
      task.class_probabilities(ServedModel::wait_for(answer, service.limits.answer_seconds), 0);
  const int target = class_of(request.text("class"), task, p);
  const Tensor heat = model.heat(batch, target);
  const DecoderTurn turn;
  HttpAnswer png =
      png_answer(overlay(set.image(0), seen_sample(set, 0, task.pipeline()), heat, alpha), longest);
  png.headers.emplace_back("X-Class", percent_encoded(task.classes()[static_cast<std::size_t>(target)]));
  png.headers.emplace_back("X-Probability", exact_text(p[static_cast<std::size_t>(target)]));
  return png;
}

struct Frame {
  DicomImage image;
  int frames;
};
Frame frame_of(const Upload& film, const HttpRequest& request) {
  const DicomFile file({reinterpret_cast<const char*>(film.bytes.data()), film.bytes.size()}, film.name);
  const auto frames =
      static_cast<int>(std::clamp<std::int64_t>(file.integer(dicom::number_of_frames, 1), 1, 1 << 20));
  const int frame = whole_number_of(request, "frame", 0, 0, frames - 1);
  return {read_dicom_image(file, frame), frames};
}

HttpAnswer picture(Service& service, HttpRequest& request) {
  const Upload film = the_film(service, request);
  const int longest = longest_of(request, 2048);
  const double infinity = std::numeric_limits<double>::max();
  const DecoderTurn turn;
  const bool center = !request.text("center").empty(), width = !request.text("width").empty();
  if (center != width)
    refuse(400, "field ", center ? "width" : "center", " is missing; a window has center and width");
  if (film.format != ImageFormat::dicom) {
    if (center || number_of(request, "frame", 0, 0, 1e9) > 0)
      refuse(400, "field ", center ? "center" : "frame", " is for DICOM, and ", film.name, " is ",
             format_name(film.format));
    return png_answer(to_8bit(decode_image(film.bytes, film.name)), longest);
  }
  DicomDisplayOptions how;
  if (center) {
    DicomWindow window;
    window.center = number_of(request, "center", 0, -infinity, infinity);
    window.width = number_of(request, "width", 1, 1e-6, infinity);
    how.window = window;
  }
  const Frame frame = frame_of(film, request);
  if (center && frame.image.channels != 1)
    refuse(422, film.name, " is in colour; a window is for grey films");
  HttpAnswer png = png_answer(to_image(frame.image, how), longest);
  png.headers.emplace_back("X-Frames", cat(frame.frames));
  return png;
}

// Means of blocks, NaN left out; NaN where there is nothing else.
std::vector<float> block_means(const float* values, int width, int height, int columns, int rows) {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) {
    const int y0 = static_cast<int>(std::int64_t{r} * height / rows),
              y1 = static_cast<int>(std::int64_t{r + 1} * height / rows);
    for (int c = 0; c < columns; ++c) {
      const int x0 = static_cast<int>(std::int64_t{c} * width / columns),
                x1 = static_cast<int>(std::int64_t{c + 1} * width / columns);
      double sum = 0;
      int n = 0;
      for (int y = y0; y < y1; ++y)
        for (int x = x0; x < x1; ++x)
          if (const float v = values[std::int64_t{y} * width + x]; std::isfinite(v)) sum += v, ++n;
      out.push_back(n > 0 ? static_cast<float>(sum / n) : std::numeric_limits<float>::quiet_NaN());
    }
  }
  return out;
}

// The file's window, or one that spans the 0.5th to the 99.5th percentile.
std::pair<double, double> window_of(const DicomImage& image, const std::vector<float>& values) {
  if (!image.windows.empty()) return {image.windows[0].center, image.windows[0].width};
  std::vector<float> sorted;
  for (const float v : values)
    if (std::isfinite(v)) sorted.push_back(v);
  if (sorted.empty()) return {0, 1};
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  const double low = at(0.005), high = at(0.995);
  return {(low + high) / 2, std::max(high - low, 1e-3)};
}

HttpAnswer values(Service& service, HttpRequest& request) {
  const Upload film = the_film(service, request);
  if (film.format != ImageFormat::dicom)
    refuse(415, film.name, " is ", format_name(film.format), "; only DICOM has values");
  const int longest = longest_of(request, 1024);
  const DecoderTurn turn;
  const Frame frame = frame_of(film, request);
  const DicomImage& image = frame.image;
  if (image.channels != 1 || image.photometric == "PALETTE COLOR")
    refuse(422, film.name, " is in colour, and colours have no unit; /picture shows them");
  const Tensor rescaled = to_hounsfield(image);
  std::vector<float> whole(rescaled.data<float>(), rescaled.data<float>() + rescaled.numel());
  const auto* stored = image.samples.data<std::int32_t>();
  for (std::size_t i = 0; i < whole.size(); ++i)
    if (image.is_padding(stored[i])) whole[i] = std::numeric_limits<float>::quiet_NaN();
  const auto [columns, rows] = reduced(image.columns, image.rows, longest);
  const std::vector<float> small = block_means(whole.data(), image.columns, image.rows, columns, rows);
  const auto [center, width] = window_of(image, small);
  return {200,
          "application/octet-stream",
          {reinterpret_cast<const char*>(small.data()), small.size() * sizeof(float)},
          {{"X-Width", cat(image.columns)},
           {"X-Height", cat(image.rows)},
           {"X-Columns", cat(columns)},
           {"X-Rows", cat(rows)},
           {"X-Window-Center", exact_text(center)},
           {"X-Window-Width", exact_text(width)},
           {"X-Inverted", image.photometric == "MONOCHROME1" ? "true" : "false"},
           {"X-Frames", cat(frame.frames)}}};
}

}  // namespace

void add_picture_routes(RouteTable& table, Service& service) {
  using enum RouteField::Kind;
  const auto add = [&](const char* path, const char* about, const char* gives, std::vector<RouteField> fields,
                       auto run) {
    fields.insert(fields.begin(), {"file", file, "One film: PNG, JPEG or DICOM", true});
    fields.push_back({"longest", number, "The longer side is reduced to this"});
    table.add({.method = "POST",
               .path = path,
               .about = about,
               .run = [&service, run](HttpRequest& request) { return run(service, request); },
               .body = HttpPlan::Body::form,
               .fields = std::move(fields),
               .gives = gives,
               .errors = {400, 413, 415, 422, 503}});
  };
  add("/heatmap", "Where in a film the net sees a class (Grad-CAM)", "image/png",
      {{"model", text, "Of several; the first one otherwise"},
       {"class", text, "Name or number; the most probable one otherwise"},
       {"alpha", number, "How much the colour covers, 0 to 1"}},
      heatmap);
  add("/picture", "A film as PNG, DICOM by a window", "image/png",
      {{"center", number, "Of a window, in rescaled values"},
       {"width", number, "Of a window"},
       {"frame", number, "From 0"}},
      picture);
  add("/values", "The values of a grey DICOM film as little-endian float32", "application/octet-stream",
      {{"frame", number, "From 0"}}, values);
}

namespace {
// Browsers name text/html; curl and libraries take anything (*/*).
bool takes_pages(const HttpRequest& request) {
  const std::string* accept = field(request.headers, "accept");
  return accept != nullptr && accept->find("text/html") != std::string::npos;
}
}  // namespace

void add_page_routes(RouteTable& table) {
  for (const PageFile& file : page_files()) {
    table.add(
        {.method = "GET",
         .path = std::string(file.path),
         .about = file.path == "/" ? "The page" : "A part of the page",
         .run =
             [file](HttpRequest& request) {
               // The original's answer, for scripts that ask whether it is there.
               if (file.path == "/" && !takes_pages(request))
                 return HttpAnswer{200, "text/plain; charset=utf-8", "Server is on", {{"Vary", "Accept"}}};
               return HttpAnswer{200,
                                 std::string(file.type),
                                 std::string(file.text),
                                 {{"Content-Security-Policy", page_policy},
                                  {"Referrer-Policy", "no-referrer"},
                                  {"Vary", "Accept"},
                                  {"Cache-Control", "no-cache"}}};
             },
         .quick = true,
         .open = true,
         .gives = std::string(file.type)});
  }
}

}  // namespace gadolin::serve
