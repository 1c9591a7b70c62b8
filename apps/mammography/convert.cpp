// gadolin mammography convert: a source of films into pictures with boxes.
#include <memory>

#include "apps/mammography/commands.h"

namespace gadolin::mammography {
namespace {

struct ConvertOptions {
  std::string source, out;
};

void convert(Session&, const ConvertOptions&) {}

}  // namespace

void add_convert(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ConvertOptions>();
  CLI::App* app = program.add(
      group, "convert", "Films of CBIS-DDSM, INbreast, mini-MIAS or a folder into pictures with boxes",
      [o](Session& s) { convert(s, *o); }, "gadolin mammography convert films set");
  app->add_option("source", o->source, "Folder of the films")->required();
  app->add_option("out", o->out, "Folder to make")->required();
}

}  // namespace gadolin::mammography
