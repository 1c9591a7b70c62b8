// The routes of a server: one table, from which requests are dispatched and /openapi.json is made.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/serve/http.h"

namespace gadolin::serve {

// A field of a form, for the description.
struct RouteField {
  std::string name;
  enum class Kind : std::uint8_t { text, number, file, files } kind;
  std::string about;
  bool required = false;
};

struct Route {
  std::string method, path;  // "POST", "/v2/models/{model}/infer": a {name} stands for one part of a path
  std::string about;
  std::function<HttpAnswer(HttpRequest&)> run;
  HttpPlan::Body body = HttpPlan::Body::none;
  std::vector<RouteField> fields = {};  // of a form
  bool quick = false;                   // answers without waiting
  bool open = false;                    // needs no token
  bool always = false;                  // is answered while the server is being stopped, too
  std::string gives = "application/json";
  std::vector<int> errors = {};  // statuses it may answer besides those that every route may
};

class RouteTable {
 public:
  RouteTable& add(Route route);
  // The route of a request, whose captured parts are put into it; HEAD is answered as GET. Throws
  // HttpRefusal: 404, or 405 with the header Allow.
  const Route& find(HttpRequest& request) const;
  // OpenAPI 3.1.
  Json openapi(const std::string& version, bool token) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace gadolin::serve
