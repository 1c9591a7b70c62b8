#include "apps/serve/route_table.h"

#include <algorithm>

namespace gadolin::serve {
namespace {

std::vector<std::string_view> path_parts(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool is_place(std::string_view part) { return part.starts_with('{') && part.ends_with('}'); }

// Whether `path` is of the form of a route; what stands in its places.
bool fits(const std::string& route, const std::string& path, Fields& captured) {
  const auto want = path_parts(route), got = path_parts(path);
  if (want.size() != got.size()) return false;
  captured.clear();
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (is_place(want[i]) && !got[i].empty())
      captured.emplace_back(want[i].substr(1, want[i].size() - 2), got[i]);
    else if (want[i] != got[i])
      return false;
  }
  return true;
}

const std::map<int, std::string>& meanings() {
  static const std::map<int, std::string> words{
      {400, "A damaged form, a missing part, an unknown model or class, or a breach of the protocol"},
      {401, "No token, or another one"},
      {404, "No such thing"},
      {413, "The body, the number of files or the pixels of a picture are above a limit"},
      {415, "Not of a type that is read"},
      {422, "No file could be read"},
      {431, "Too many bytes of headers"},
      {500, "A fault of the server"},
      {503, "Not ready, too much is waiting, or the server is being stopped"}};
  return words;
}

Json described(const Route& route, bool token) {
  Json operation{{"summary", route.about}};
  if (token && route.open) operation["security"] = Json::array();
  for (const std::string_view part : path_parts(route.path)) {
    if (!is_place(part)) continue;
    operation["parameters"].push_back({{"name", part.substr(1, part.size() - 2)},
                                       {"in", "path"},
                                       {"required", true},
                                       {"schema", {{"type", "string"}}}});
  }
  if (route.body == HttpPlan::Body::form) {
    Json properties = Json::object(), required = Json::array();
    for (const RouteField& f : route.fields) {
      const Json binary{{"type", "string"}, {"contentMediaType", "application/octet-stream"}};
      Json schema{{"type", f.kind == RouteField::Kind::number ? "number" : "string"}};
      if (f.kind == RouteField::Kind::file) schema = binary;
      if (f.kind == RouteField::Kind::files) schema = {{"type", "array"}, {"items", binary}};
      schema["description"] = f.about;
      properties[f.name] = schema;
      if (f.required) required.push_back(f.name);
    }
    operation["requestBody"] = {
        {"required", true},
        {"content",
         {{"multipart/form-data",
           {{"schema", {{"type", "object"}, {"properties", properties}, {"required", required}}}}}}}};
  } else if (route.body == HttpPlan::Body::raw) {
    operation["requestBody"] = {
        {"required", true},
        {"content", {{"application/json", Json::object()}, {"application/octet-stream", Json::object()}}}};
  }
  Json& responses = operation["responses"];
  responses["200"] = {{"description", "The answer"}, {"content", {{route.gives, Json::object()}}}};
  std::vector<int> errors = route.errors;
  errors.insert(errors.end(), {431, 500});
  if (token && !route.open) errors.push_back(401);
  std::sort(errors.begin(), errors.end());
  for (const int status : errors)
    responses[std::to_string(status)] = {{"description", meanings().at(status)},
                                         {"content", {{"application/json", Json::object()}}}};
  return operation;
}

std::string in_small_letters(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

}  // namespace

RouteTable& RouteTable::add(Route route) {
  routes_.push_back(std::move(route));
  return *this;
}

const Route& RouteTable::find(HttpRequest& request) const {
  std::string allowed;
  for (const Route& route : routes_) {
    Fields captured;
    if (!fits(route.path, request.path, captured)) continue;
    if (route.method == request.method || (route.method == "GET" && request.method == "HEAD")) {
      request.captured = std::move(captured);
      return route;
    }
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  const std::string path = utf8(request.path.substr(0, 100));
  if (allowed.empty()) refuse(404, "there is nothing at ", path, "; /openapi.json lists what there is");
  throw HttpRefusal{405,
                    cat(path, " does not take ", utf8(request.method.substr(0, 20)), "; it takes ", allowed),
                    {{"Allow", allowed}}};
}

Json RouteTable::openapi(const std::string& version, bool token) const {
  Json page{{"openapi", "3.1.0"}, {"info", {{"title", "gadolin serve"}, {"version", version}}}};
  for (const Route& route : routes_)
    page["paths"][route.path][in_small_letters(route.method)] = described(route, token);
  if (token) {
    page["components"]["securitySchemes"]["token"] = {{"type", "http"}, {"scheme", "bearer"}};
    page["security"] = {{{"token", Json::array()}}};
  }
  return page;
}

}  // namespace gadolin::serve
