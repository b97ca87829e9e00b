// SPDX-License-Identifier: Apache-2.0
#include "store/action_file.hpp"

#include "store/layout.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::store {
namespace {

constexpr std::string_view kCheck = ",\"check\":\"";
constexpr std::string_view kEnd = "\"}\n";
constexpr std::size_t kTailSize = kCheck.size() + 64 + kEnd.size();

}  // namespace

std::string serialize_action(const Digest& key, const ActionResult& result) {
  OrderedJson outputs = OrderedJson::object();
  for (const auto& [name, output] : result.outputs)
    outputs[name] = OrderedJson{{"digest", output.digest.string()}, {"size", output.size}};
  OrderedJson facts = OrderedJson::object();
  for (const auto& [name, value] : result.facts)
    facts[name] = value;
  const OrderedJson json{{"schema", kSchema},
                         {"key", key.hex()},
                         {"kind", result.kind},
                         {"label", result.label},
                         {"outputs", std::move(outputs)},
                         {"facts", std::move(facts)},
                         {"tool", result.tool_version},
                         {"milliseconds", result.milliseconds}};
  std::string text = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  text.pop_back();  // the closing brace comes after the checksum
  const std::string check = sha256(text).hex();
  text += kCheck;
  text += check;
  text += kEnd;
  return text;
}

ParsedAction parse_action(const Digest& key, std::string_view text) {
  if (text.empty()) return {std::nullopt, "the file is empty"};
  if (text.size() < kTailSize || !text.ends_with(kEnd)) return {std::nullopt, "the file is cut off"};
  const std::string_view body = text.substr(0, text.size() - kTailSize);
  const std::string_view tail = text.substr(body.size());
  if (!tail.starts_with(kCheck)) return {std::nullopt, "the checksum is missing"};
  const std::string_view recorded = tail.substr(kCheck.size(), 64);
  const std::string computed = sha256(body).hex();
  if (recorded != computed)
    return {std::nullopt, "the checksum is " + std::string(recorded) + ", expected " + computed};
  try {
    const Json json = parse_json(text, "action");
    const JsonView view(json, "action#");
    if (const std::uint64_t schema = view.at("schema").unsigned_number(); schema != kSchema)
      return {std::nullopt, "it has schema " + std::to_string(schema) + " of another version of Bottle",
              true};
    if (const std::string found = view.at("key").string(); found != key.hex())
      return {std::nullopt, "it is the result of key " + found};
    ActionResult result;
    result.kind = view.at("kind").string();
    result.label = view.at("label").string();
    const JsonView outputs = view.at("outputs");
    if (!outputs.value().is_object()) outputs.fail("an object");
    for (const auto& [name, ignored] : outputs.value().items()) {
      const JsonView output = outputs.at(name);
      const JsonView digest = output.at("digest");
      const auto parsed = Digest::parse(digest.value().is_string() ? digest.string() : "");
      if (!parsed) digest.fail("sha256: and 64 hex digits");
      result.outputs.emplace(name, Output{*parsed, output.at("size").unsigned_number()});
    }
    const JsonView facts = view.at("facts");
    if (!facts.value().is_object()) facts.fail("an object");
    for (const auto& [name, ignored] : facts.value().items())
      result.facts.emplace(name, facts.at(name).string());
    result.tool_version = view.at("tool").string();
    result.milliseconds = view.at("milliseconds").unsigned_number();
    return {std::move(result), ""};
  } catch (const Error& error) {
    return {std::nullopt, error.what()};
  }
}

}  // namespace bottle::store
