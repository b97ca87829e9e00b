// SPDX-License-Identifier: Apache-2.0
// Records of the store and of build directories. The first byte chooses: the file of an action; the same
// without its checksum, which is added; the recipe of a pack; a step's record; a word with escapes.
#include <cstdlib>

#include "input.hpp"
#include "pack/pack_writer.hpp"
#include "store/action_file.hpp"
#include "store/step_record.hpp"
#include "util/text.hpp"

using namespace bottle;

namespace {

void read_action(const std::string& text) {
  const Digest key = sha256("fuzz");
  const store::ParsedAction parsed = store::parse_action(key, text);
  fuzz::check(parsed.result.has_value() == parsed.problem.empty());
  if (parsed.result)
    fuzz::check(store::parse_action(key, serialize_action(key, *parsed.result)).result.has_value());
}

void read_recipe(std::string_view text) {
  const auto recipe = pack::PackRecipe::parse(text, "fuzz");
  const std::string again = recipe.serialize();
  fuzz::check(pack::PackRecipe::parse(again, "fuzz").serialize() == again);
}

void read_step(std::string_view text) {
  static const TemporaryDirectory directory;
  write_file(directory.path() / "fuzz.last.json", std::string(text), Durable::no);
  store::read_step_record(directory.path(), "fuzz");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Choice choice(fuzz::text_of(data, size), 5);
  const std::string text(choice.rest);
  fuzz::may_refuse([&] {
    switch (choice.way) {
      case 0:
        read_action(text);
        break;
      case 1:
        read_action(text + ",\"check\":\"" + sha256(text).hex() + "\"}\n");
        break;
      case 2:
        read_recipe(text);
        break;
      case 3:
        read_step(text);
        break;
      default:
        if (const auto word = unescape_word(text)) fuzz::check(unescape_word(escape_word(*word)) == word);
    }
  });
  return 0;
}
