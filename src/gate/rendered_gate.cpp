// SPDX-License-Identifier: Apache-2.0
#include "gate/rendered_gate.hpp"

#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

// Text that the container's command line or a filter takes as it is.
void check_slug(const std::string& slug, const fs::path& file) {
  for (const char c : slug)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
      throw Error("expected a slug in gate.json, found \"" + escape_word(slug) + "\"",
                  {.where = file.native() + "#/slug"});
}

}  // namespace

RenderedGate load_rendered(const fs::path& directory) {
  const fs::path file = directory / "gate.json";
  const auto text = read_file_if_exists(file);
  if (!text)
    throw Error("expected a rendered gate, found no gate.json",
                {.where = directory.native(), .hint = "render the gate first: bottle-gate render"});
  const Json json = parse_json(*text, file.native());
  const JsonView view(json, file.native() + "#");
  RenderedGate gate;
  gate.slug = view.at("slug").string();
  check_slug(gate.slug, file);
  gate.kind = view.at("kind").string();
  gate.port = static_cast<std::uint16_t>(view.at("port").unsigned_number(65535));
  gate.files = view.at("files").strings();
  if (const auto upstreams = view.find("upstreams"))
    for (const JsonView& item : upstreams->elements()) {
      const JsonView identity = item.at("identity");
      gate.identities.push_back({item.at("name").string(), identity.string_or("file", ""),
                                 identity.string_or("secret", ""), identity.boolean_or("agent", false)});
    }
  return gate;
}

}  // namespace bottle::gate
