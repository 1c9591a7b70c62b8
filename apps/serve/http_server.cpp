#include "apps/serve/http_server.h"

#include "io/bytes.h"
#include "tensor/check.h"

#ifdef GADOLIN_MICROHTTPD
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "apps/serve/multipart.h"
#include "apps/serve/watch.h"
#include "apps/serve/worker_pool.h"

namespace gadolin::serve {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A request on its way through the server.
struct Exchange {
  HttpRequest request;
  HttpPlan plan;
  std::string boundary;
  std::optional<HttpAnswer> answer;
  std::stop_source gone;
  std::int64_t discarded = 0;  // bytes of a body that is refused already
  double began = steady_seconds();
  int socket = -1;
  bool dispatched = false;
};

// A socket that listens. Names are looked up, so that `localhost` and addresses of both kinds work.
int listening(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int unknown = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  require<UsageError>(unknown == 0, "serve: --host ", printable(host), " is not known (",
                      gai_strerror(unknown),
                      "); give an address of this machine, such as 127.0.0.1 or 0.0.0.0");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  const int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool ready =
      socket >= 0 && bind(socket, found->ai_addr, found->ai_addrlen) == 0 && listen(socket, 1024) == 0;
  const int error = errno;
  if (!ready && socket >= 0) close(socket);
  require<UsageError>(ready, "serve: cannot listen on ", printable(host), " port ", port, " (",
                      std::strerror(error), "); end what listens there, or give another --port");
  return socket;
}

}  // namespace

struct HttpServer::Impl {
  HttpApplication& application;
  HttpOptions options;
  Watch watch;
  std::mutex mutex;
  std::condition_variable none_suspended;
  int suspended = 0;
  bool stopping = false;
  std::atomic<std::int64_t> active = 0, late = 0, held = 0;
  MHD_Daemon* daemon = nullptr;
  std::unique_ptr<WorkerPool> workers;

  Impl(HttpApplication& app, HttpOptions o)
      : application(app), options(std::move(o)),
        watch({{options.limits.header_seconds, options.limits.body_seconds, 0, options.limits.answer_seconds},
               static_cast<std::size_t>(options.limits.connections),
               options.certificate.empty() ? farewell(options.limits.body_seconds) : ""},
              [this](Step step) {
                ++late;
                if (step == Step::body)
                  application.log(cat("408: a body did not come within ", options.limits.body_seconds,
                                      " s (--body-seconds)"));
              }) {}

  static std::string farewell(double seconds) {
    const std::string body =
        error_answer("", 408, cat("the body did not come within ", seconds, " s (--body-seconds)")).body;
    return cat(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: "
        "close\r\nContent-Length: ",
        body.size(), "\r\n\r\n", body);
  }

  // --- one request, on the thread of connections
  // ---------------------------------------------------------------

  void begin(Exchange& x, MHD_Connection* connection, const char* method, const char* url) {
    HttpRequest& r = x.request;
    r.id = uuid();
    r.method = method;
    r.path = url;
    r.gone = x.gone.get_token();
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, &r.headers);
    x.socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    watch.step(x.socket, Step::body);
    try {
      std::size_t bytes = std::strlen(method) + std::strlen(url);
      for (const auto& [name, value] : r.headers) bytes += name.size() + value.size() + 4;
      const HttpLimits& limits = options.limits;
      if (bytes > static_cast<std::size_t>(limits.header_bytes))
        refuse(431, "the header has ", bytes, " bytes; at most ", limits.header_bytes,
               " are read (--header-bytes)");
      x.plan = application.plan(r);
      const std::string* length = field(r.headers, "content-length");
      if (length != nullptr && (length->size() > 18 || std::stoll("0" + *length) > limits.body_bytes))
        too_large(*length);
      const std::string* coding = field(r.headers, "content-encoding");
      if (x.plan.body != HttpPlan::Body::none && coding != nullptr && *coding != "identity")
        refuse(415, "Content-Encoding is ", utf8(coding->substr(0, 40)), "; bodies are taken as they are");
      if (x.plan.body == HttpPlan::Body::form) {
        const std::string* type = field(r.headers, "content-type");
        x.boundary = boundary_of(type == nullptr ? "" : *type);
      }
    } catch (...) {
      refused(x);
    }
  }

  [[noreturn]] void too_large(const std::string& size) const {
    refuse(413, "the body has ", size, " bytes; at most ", options.limits.body_bytes,
           " are taken (--max-upload-mb ", static_cast<double>(options.limits.body_bytes) / (1 << 20), ")");
  }

  void refused(Exchange& x) {
    std::string log;
    x.answer = answer_of_exception(x.request.id, std::current_exception(), log);
    if (!log.empty()) application.log(cat("500 ", x.request.id, ": ", log));
    held -= static_cast<std::int64_t>(x.request.body.size());
    x.request.parts.clear();
    x.request.body = {};
  }

  // A body comes in pieces of any size. What is refused is read to its end all the same, up to a limit: the
  // library answers only before the body or after it.
  bool feed(Exchange& x, const char* data, std::size_t count) {
    HttpRequest& r = x.request;
    if (x.answer) {
      x.discarded += static_cast<std::int64_t>(count);
      return x.discarded <= options.limits.body_bytes;
    }
    try {
      const std::size_t whole = r.body.size() + count;
      if (static_cast<std::int64_t>(whole) > options.limits.body_bytes)
        too_large(cat("more than ", options.limits.body_bytes));
      held += static_cast<std::int64_t>(count);
      r.body.insert(r.body.end(), data, data + count);
      if (held > options.limits.held_bytes)
        refuse(503, "bodies of other requests fill the ", human_bytes(options.limits.held_bytes),
               " that may be held (--max-held-mb); ask again later");
    } catch (...) {
      refused(x);
    }
    return true;
  }

  // The whole request is there. Whether its answer is there too; otherwise the connection sleeps until it is.
  bool dispatch(const std::shared_ptr<Exchange>& x, MHD_Connection* connection) {
    if (x->answer) return true;  // refused
    if (x->plan.quick) {
      run(*x);
      return true;
    }
    const std::unique_lock lock(mutex);
    if (stopping) {
      x->answer = error_answer(x->request.id, 503, "the server is being stopped; ask another one");
      return true;
    }
    ++suspended;
    watch.answering(x->socket, x->gone);
    MHD_suspend_connection(connection);
    workers->post([this, x, connection] {
      if (!x->request.gone.stop_requested()) run(*x);
      if (!x->answer) x->answer = error_answer(x->request.id, 503, "the client has gone");
      watch.step(x->socket, Step::sending);
      MHD_resume_connection(connection);
      const std::lock_guard done(mutex);
      if (--suspended == 0) none_suspended.notify_all();
    });
    return false;
  }

  void run(Exchange& x) {
    try {
      HttpRequest& r = x.request;
      if (x.plan.body == HttpPlan::Body::form) {
        r.parts = read_multipart(r.body, x.boundary);
        const auto files =
            std::count_if(r.parts.begin(), r.parts.end(), [](const HttpPart& p) { return p.name == "file"; });
        if (files > options.limits.files)
          refuse(413, "the form has ", files, " files; at most ", options.limits.files,
                 " are taken at once (--max-files)");
      }
      x.answer = x.plan.run(r);
    } catch (...) {
      refused(x);
    }
  }

  MHD_Result send(Exchange& x, MHD_Connection* connection, bool body_unread) {
    HttpAnswer& a = *x.answer;
    watch.step(x.socket, Step::sending);
    application.answered(x.request, x.plan.route, a, steady_seconds() - x.began);
    MHD_Response* response =
        MHD_create_response_from_buffer(a.body.size(), a.body.data(), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", a.type.c_str());
    MHD_add_response_header(response, "X-Request-Id", x.request.id.c_str());
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (field(a.headers, "Cache-Control") == nullptr)
      MHD_add_response_header(response, "Cache-Control", "no-store");
    // What is left of an unread body must not be taken for the next request.
    if (body_unread) MHD_add_response_header(response, "Connection", "close");
    for (const auto& [name, value] : a.headers)
      MHD_add_response_header(response, name.c_str(), value.c_str());
    const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(a.status), response);
    MHD_destroy_response(response);
    return queued;
  }

  MHD_Result handle(MHD_Connection* connection, const char* url, const char* method, const char* data,
                    std::size_t* count, void** state) {
    auto* held_by_library = static_cast<std::shared_ptr<Exchange>*>(*state);
    if (held_by_library == nullptr) {
      held_by_library = new std::shared_ptr<Exchange>(std::make_shared<Exchange>());
      *state = held_by_library;
      ++active;
      Exchange& x = **held_by_library;
      begin(x, connection, method, url);
      if (!x.answer) return MHD_YES;
      const bool body =
          field(x.request.headers, "content-length") || field(x.request.headers, "transfer-encoding");
      return send(x, connection, body);
    }
    const std::shared_ptr<Exchange>& x = *held_by_library;
    if (*count > 0) {
      const bool more = feed(*x, data, *count);
      *count = 0;
      return more ? MHD_YES : MHD_NO;
    }
    // The second call without data is that of a connection that has slept.
    const bool answered = x->dispatched || dispatch(x, connection);
    x->dispatched = true;
    return answered ? send(*x, connection, false) : MHD_YES;
  }

  void finished(Exchange& x) {
    held -= static_cast<std::int64_t>(x.request.body.size());
    watch.step(x.socket, Step::header);
    --active;
  }

  // --- what the library calls
  // ------------------------------------------------------------------------------------

  static MHD_Result add_header(void* to, MHD_ValueKind, const char* key, const char* value) {
    std::string name = key;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    static_cast<Fields*>(to)->emplace_back(std::move(name), value == nullptr ? "" : value);
    return MHD_YES;
  }
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url, const char* method,
                               const char*, const char* data, std::size_t* count, void** state) {
    try {
      return static_cast<Impl*>(self)->handle(connection, url, method, data, count, state);
    } catch (const std::exception&) {  // no memory for a piece: only this connection ends
      return MHD_NO;
    }
  }
  static void on_completed(void* self, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    const std::unique_ptr<std::shared_ptr<Exchange>> x(static_cast<std::shared_ptr<Exchange>*>(*state));
    *state = nullptr;
    if (x) static_cast<Impl*>(self)->finished(**x);
  }
  static void on_connection(void* self, MHD_Connection* connection, void**,
                            MHD_ConnectionNotificationCode what) {
    const int socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    Watch& watch = static_cast<Impl*>(self)->watch;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
      watch.opened(socket);
    else
      watch.closed(socket);
  }
  // %XX as its byte, but for %00: what stands behind it would be cut off unseen.
  static std::size_t on_escape(void*, MHD_Connection*, char* text) {
    char* out = text;
    for (const char* in = text; *in != '\0'; ++out) {
      const bool coded = in[0] == '%' && std::isxdigit(static_cast<unsigned char>(in[1])) &&
                         std::isxdigit(static_cast<unsigned char>(in[2])) && (in[1] != '0' || in[2] != '0');
      const char digits[] = {in[0] == '\0' ? '0' : in[1], coded ? in[2] : '0', '\0'};
      *out = coded ? static_cast<char>(std::strtol(digits, nullptr, 16)) : *in;
      in += coded ? 3 : 1;
    }
    *out = '\0';
    return static_cast<std::size_t>(out - text);
  }
  static void on_log(void*, const char*, va_list) {}  // what peers do wrong is counted, not written down

  void start() {
    const bool tls = !options.certificate.empty();
    require<Unsupported>(
        !tls || MHD_is_feature_supported(MHD_FEATURE_TLS) == MHD_YES,
        "serve: this libmicrohttpd was built without TLS; put a proxy in front of the server");
    const HttpLimits& limits = options.limits;
    // A socket for each connection, and some for files.
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
      files.rlim_cur = std::min<rlim_t>(
          files.rlim_max, std::max<rlim_t>(files.rlim_cur, static_cast<rlim_t>(limits.connections) + 256));
      setrlimit(RLIMIT_NOFILE, &files);
    }
    workers = std::make_unique<WorkerPool>(options.workers);
    const int socket = listening(options.host, options.port);
    unsigned flags =
        static_cast<unsigned>(MHD_USE_EPOLL_INTERNALLY) | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (tls) flags |= MHD_USE_TLS;
    const MHD_OptionItem secure[] = {{MHD_OPTION_HTTPS_MEM_KEY, 0, options.key.data()},
                                     {MHD_OPTION_HTTPS_MEM_CERT, 0, options.certificate.data()},
                                     {MHD_OPTION_END, 0, nullptr}};
    const MHD_OptionItem none[] = {{MHD_OPTION_END, 0, nullptr}};
    daemon = MHD_start_daemon(flags, 0, nullptr, nullptr, &on_request, this, MHD_OPTION_EXTERNAL_LOGGER,
                              &on_log, nullptr, MHD_OPTION_UNESCAPE_CALLBACK, &on_escape, nullptr,
                              MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_CONNECTION_LIMIT,
                              static_cast<unsigned>(limits.connections), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                              std::size_t{65536} + static_cast<std::size_t>(limits.header_bytes),
                              MHD_OPTION_CONNECTION_MEMORY_INCREMENT, std::size_t{16384},
                              MHD_OPTION_NOTIFY_COMPLETED, &on_completed, this, MHD_OPTION_NOTIFY_CONNECTION,
                              &on_connection, this, MHD_OPTION_ARRAY, tls ? secure : none, MHD_OPTION_END);
    if (daemon == nullptr) close(socket);
    require<UsageError>(daemon != nullptr,
                        tls ? "serve: --certificate and --key do not fit each other, or are no PEM files; "
                              "openssl x509 and openssl pkey show what they hold"
                            : "serve: the server could not start; are there too many open files?");
  }
};

HttpServer::HttpServer(HttpApplication& application, HttpOptions options)
    : impl_(std::make_unique<Impl>(application, std::move(options))) {
  impl_->start();
}

HttpServer::~HttpServer() {
  if (impl_->daemon == nullptr) return;
  std::unique_lock lock(impl_->mutex);
  impl_->stopping = true;
  impl_->none_suspended.wait(lock, [&] { return impl_->suspended == 0; });
  lock.unlock();
  MHD_stop_daemon(impl_->daemon);
}

int HttpServer::port() const { return MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_BIND_PORT)->port; }

HttpCounts HttpServer::counts() const {
  return {static_cast<std::int64_t>(impl_->watch.open()), impl_->active, impl_->watch.hung_up(), impl_->late,
          impl_->held};
}

bool serving_available() { return true; }

}  // namespace gadolin::serve

#else

namespace gadolin::serve {

struct HttpServer::Impl {};
HttpServer::HttpServer(HttpApplication&, HttpOptions) {
  fail<Unsupported>("serve: this build has no libmicrohttpd; install libmicrohttpd-dev and configure again");
}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return 0; }
HttpCounts HttpServer::counts() const { return {}; }
bool serving_available() { return false; }

}  // namespace gadolin::serve

#endif
